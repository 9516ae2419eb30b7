#include "daemon/model/card.h"
#include "daemon/scanoutd.h"

int main(int argc, char *argv[]) {
	return scanoutd_run(argc, argv, &card_drm_ops);
}
