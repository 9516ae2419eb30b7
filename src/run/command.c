#include "run/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

static int count_words(char *const words[]) {
	int count = 0;
	while (words[count]) {
		count++;
	}
	return count;
}

int command_copy(struct command *command, char *const words[]) {
	command->words = calloc(count_words(words) + 1, sizeof(*command->words));
	if (!command->words) {
		return -ENOMEM;
	}
	for (int i = 0; words[i]; i++) {
		command->words[i] = strdup(words[i]);
		if (!command->words[i]) {
			command_finish(command);
			return -ENOMEM;
		}
	}
	return 0;
}

void command_finish(struct command *command) {
	for (int i = 0; command->words && command->words[i]; i++) {
		free(command->words[i]);
	}
	free(TAKE_PTR(command->words));
}

int command_insert(struct command *command, int index, const char *word) {
	int count = count_words(command->words);
	AUTO_FREE char *copy = strdup(word);
	char **words = reallocarray(command->words, count + 2, sizeof(*words));
	if (words) {
		command->words = words;
	}
	if (!copy || !words) {
		return -ENOMEM;
	}
	memmove(words + index + 1, words + index, (count + 1 - index) * sizeof(*words));
	words[index] = TAKE_PTR(copy);
	return 0;
}

/* Hands the word over and closes the gap. */
static char *take_word(struct command *command, int index) {
	char *word = command->words[index];
	memmove(command->words + index, command->words + index + 1,
		(count_words(command->words + index + 1) + 1) * sizeof(*command->words));
	return word;
}

char *command_take_option(
	struct command *command, int index, const char *short_name, const char *long_name) {
	size_t length = strlen(long_name);
	for (int i = index + 1; command->words[i] && strcmp(command->words[i], "--") != 0; i++) {
		const char *word = command->words[i];
		if ((strcmp(word, short_name) == 0 || strcmp(word, long_name) == 0) &&
			command->words[i + 1]) {
			free(take_word(command, i));
			return take_word(command, i);
		}
		if (strncmp(word, long_name, length) == 0 && word[length] == '=') {
			AUTO_FREE char *taken = take_word(command, i);
			return strdup(taken + length + 1);
		}
	}
	return NULL;
}

/* The word with its first mark replaced, in place of the word. */
static int replace_once(char **word, int fd) {
	char *mark = strstr(*word, COMMAND_FD_MARK);
	char *text;
	if (asprintf(&text, "%.*s%d%s", (int)(mark - *word), *word, fd,
		    mark + strlen(COMMAND_FD_MARK)) < 0) {
		return -ENOMEM;
	}
	free(*word);
	*word = text;
	return 0;
}

int command_replace_fd(struct command *command, int fd) {
	int count = 0;
	for (char **word = command->words; *word; word++) {
		while (strstr(*word, COMMAND_FD_MARK)) {
			int r = replace_once(word, fd);
			if (r < 0) {
				return r;
			}
			count++;
		}
	}
	return count;
}
