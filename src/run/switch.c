#include "run/switch.h"

#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/number.h"
#include "common/say.h"

enum forgets {
	FORGETS_NOTHING,
	FORGETS_IF_LOGIN,    // with -, -l or --login
	FORGETS_IF_NOT_KEPT, // without -E or --preserve-env
};

static const struct program_kind {
	const char *name;
	const char *option, *long_option; // whose value the user is; may be NULL
	bool takes_operand;               // else it is the first word that is no option
	enum forgets forgets;
} kinds[] = {
	{"setpriv", NULL, "--reuid", false, FORGETS_NOTHING},
	{"gosu", NULL, NULL, true, FORGETS_NOTHING},
	{"su-exec", NULL, NULL, true, FORGETS_NOTHING},
	{"s6-setuidgid", NULL, NULL, true, FORGETS_NOTHING},
	{"s6-applyuidgid", "-u", NULL, false, FORGETS_NOTHING},
	{"setuidgid", NULL, NULL, true, FORGETS_NOTHING},
	{"chpst", "-u", NULL, false, FORGETS_NOTHING},
	{"runuser", "-u", "--user", true, FORGETS_IF_LOGIN},
	{"su", NULL, NULL, true, FORGETS_IF_LOGIN},
	{"sudo", "-u", "--user", false, FORGETS_IF_NOT_KEPT},
};

static const struct program_kind *find_kind(const char *word) {
	const char *slash = strrchr(word, '/');
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].name, slash ? slash + 1 : word) == 0) {
			return &kinds[i];
		}
	}
	return NULL;
}

/* The value if the word is this option: in it, or in the next one. */
static const char *option_value(char *const word[], const char *option, int *ret_words) {
	size_t length = option ? strlen(option) : 0;
	if (length == 0 || strncmp(word[0], option, length) != 0) {
		return NULL;
	}
	*ret_words = word[0][length] == '\0' && word[1];
	if (*ret_words) {
		return word[1];
	}
	return word[0][length] == '=' ? word[0] + length + 1 : length == 2 ? word[0] + 2 : NULL;
}

static bool is_one_of(const char *word, const char *const words[]) {
	while (*words && strcmp(*words, word) != 0) {
		words++;
	}
	return *words;
}

/* Reads the options, and the operand if that is the user. What follows is not looked at. */
static void read_words(
	char *const argv[], const struct program_kind *kind, struct user_switch *ret) {
	static const char *const login[] = {"-", "-l", "--login", NULL};
	static const char *const kept[] = {"-E", "--preserve-env", NULL};
	/* With su and runuser these are not the user. */
	static const char *const valued[] = {"-s", "-c", "-g", "-G", "-w", NULL};
	bool is_value = false;

	for (int i = 1; argv[i] && strcmp(argv[i], "--") != 0; i++) {
		int words = 0;
		const char *value = option_value(argv + i, kind->option, &words);
		value = value ? value : option_value(argv + i, kind->long_option, &words);
		if (value) {
			ret->user = value;
			ret->user_index = i + words;
			i += words;
			is_value = false;
		} else if (argv[i][0] == '-') {
			ret->is_forgetful |=
				kind->forgets == FORGETS_IF_LOGIN && is_one_of(argv[i], login);
			ret->is_forgetful &=
				kind->forgets != FORGETS_IF_NOT_KEPT || !is_one_of(argv[i], kept);
			is_value = kind->takes_operand ? is_one_of(argv[i], valued)
						       : !strchr(argv[i], '=');
		} else if (is_value) {
			is_value = false;
		} else {
			if (kind->takes_operand && !ret->user) {
				ret->user = argv[i];
				ret->user_index = i;
			}
			break;
		}
	}
}

bool switch_read(char *const argv[], struct user_switch *ret) {
	const struct program_kind *kind = find_kind(argv[0]);
	if (!kind) {
		return false;
	}
	*ret = (struct user_switch){
		.program = argv[0],
		.is_forgetful = kind->forgets == FORGETS_IF_NOT_KEPT,
	};
	read_words(argv, kind, ret);
	return true;
}

/* The uid of the user that is named. False if none is, or this system does not know it. */
static bool resolve(const struct user_switch *entry, uid_t *ret) {
	char name[64];
	const char *rest = name;
	unsigned number;

	if (!entry->user) {
		return false;
	}
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(entry->user, ":"), entry->user);
	const struct passwd *user = getpwnam(name);
	if (user) {
		*ret = user->pw_uid;
		return true;
	}
	if (!number_take(&rest, UINT_MAX, &number) || *rest != '\0') {
		return false;
	}
	*ret = number;
	return true;
}

bool switch_find_user(const struct user_switch *entry, bool knows_program, uid_t *ret) {
	*ret = geteuid();
	if (entry->is_forgetful) {
		say("'%s' clears the environment that leads to the scanout; use 'setpriv "
		    "--reuid=USER --regid=GROUP --init-groups' instead",
			entry->program);
	}
	if (*ret != 0) {
		return true;
	}
	return entry->program ? resolve(entry, ret) : knows_program;
}
