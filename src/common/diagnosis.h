/* The results of the doctor: a list of checks, printed as a table or as JSON. */
#ifndef SCANOUT_DIAGNOSIS_H
#define SCANOUT_DIAGNOSIS_H

#include <cjson/cJSON.h>
#include <stdbool.h>

enum verdict {
	VERDICT_OK,
	VERDICT_WARN,
	VERDICT_FAIL
};

struct diagnosis {
	cJSON *checks;
	bool failed;
	bool incomplete; // set when a check was lost for lack of memory
};

int diagnosis_init(struct diagnosis *diagnosis);
void diagnosis_finish(struct diagnosis *diagnosis);

/* Adds a check; `advice` is what to type, may be NULL. */
__attribute__((format(printf, 5, 6))) void diagnosis_add(struct diagnosis *diagnosis,
	enum verdict verdict, const char *check, const char *advice, const char *format, ...);

/* Returns a negative errno if there is not enough memory. */
int diagnosis_print(const struct diagnosis *diagnosis, bool json, bool color);

#endif
