/* The words of the command, and changes to them before it starts. */
#ifndef SCANOUT_RUN_COMMAND_H
#define SCANOUT_RUN_COMMAND_H

/* Stands for the number of an fd. */
#define COMMAND_FD_MARK "@FD@"

struct command {
	char **words; // NULL-ended, each owned
};

int command_copy(struct command *command, char *const words[]);
void command_finish(struct command *command);

/* Inserts a word at an index. */
int command_insert(struct command *command, int index, const char *word);
/* Removes an option with its value, such as -c FILE or --config=FILE, after an index. Returns its
 * value for the caller to free, or NULL if there is no such option. */
char *command_take_option(
	struct command *command, int index, const char *short_name, const char *long_name);
/* Replaces every @FD@. Returns how many there were, or negative errno. */
int command_replace_fd(struct command *command, int fd);

#endif
