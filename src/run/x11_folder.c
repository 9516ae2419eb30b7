#include "run/x11_folder.h"

#include <stddef.h>
#include <sys/stat.h>

void x11_folder_make(void) {
	static const char *const folders[] = {"/tmp/.X11-unix", "/tmp/.ICE-unix"};
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		/* mkdir() heeds the umask. Without a /tmp to write to, the program says so. */
		if (mkdir(folders[i], 01777) == 0) {
			(void)chmod(folders[i], 01777);
		}
	}
}
