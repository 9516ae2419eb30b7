/* Programs that execute another one as another user: setpriv, gosu, su and others. */
#ifndef SCANOUT_RUN_SWITCH_H
#define SCANOUT_RUN_SWITCH_H

#include <stdbool.h>
#include <sys/types.h>

struct user_switch {
	const char *program; // the word of the command; NULL: no such program
	const char *user;    // the word with a name or a number, and maybe a group; or NULL
	int user_index;      // of that word, counted from the program's
	bool is_forgetful;   // it starts the next program with a new environment
};

/* Reads a word of a command and those after it. False if it is no such program. */
bool switch_read(char *const argv[], struct user_switch *ret);

/*
 * Finds the user that a command runs its program as. False if that is unknown: root may become any
 * user within a script, or in an unknown program. Prints an error if the environment is lost.
 */
bool switch_find_user(const struct user_switch *entry, bool knows_program, uid_t *ret);

#endif
