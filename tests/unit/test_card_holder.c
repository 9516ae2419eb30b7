/* The kernel's list of a card's clients, as drm_clients_info() prints it. */
#include "daemon/kms/card_holder.h"

#include "support.h"

#define LINE(command, pid, master) command " " pid "   0   " master "    y     0          0\n"

static void the_master_is_named(void **state) {
	static const struct {
		const char *line, *name;
		int pid;
	} cases[] = {
		{LINE("      systemd-logind", "  731", "y"), "systemd-logind", 731},
		{LINE("                Xorg", "  812", "y"), "Xorg", 812},
		{LINE("        Web Content ", " 4711", "y"), "Web Content ", 4711},
		{LINE("abcdefghijklmnopqrst", "99999", "y"), "abcdefghijklmnopqrst", 99999},
		{LINE("                Xorg", "  812", "n"), "", 0},
		{"             command   tgid dev master a   uid      magic\n", "", 0},
		{"short\n", "", 0},
		{"", "", 0},
	};
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		char name[21] = "";
		assert_int_equal(card_holder_parse(cases[i].line, name), cases[i].pid);
		assert_string_equal(name, cases[i].name);
	}
}

static void else_it_says_how_to_find_out(void **state) {
	char who[256];
	card_holder_describe("/nonexistent", who, sizeof(who));
	assert_string_equal(who, "a process that 'fuser -v /nonexistent' shows");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_master_is_named),
		cmocka_unit_test(else_it_says_how_to_find_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
