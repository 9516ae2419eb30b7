/* Which scanout a request gets, as far as labels and history decide. */
#include "support.h"

#include <stdio.h>
#include <string.h>

#include "daemon/model/scanout.h"

static struct scanout scanout(const char *last_label, uint64_t freed) {
	struct scanout s = {.freed = freed};
	snprintf(s.last_label, sizeof(s.last_label), "%s", last_label);
	return s;
}

static void assert_better(struct scanout a, struct scanout b, const char *label) {
	assert_true(scanout_suits_better(&a, &b, label));
	assert_false(scanout_suits_better(&b, &a, label));
}

static void own_label_comes_first(void **state) {
	assert_better(scanout("desk", 9), scanout("", 0), "desk");
	assert_better(scanout("desk", 9), scanout("other", 1), "desk");
}

/* Whose label it was comes back: take the ones that nobody misses first. */
static void unlabelled_comes_before_foreign(void **state) {
	assert_better(scanout("", 9), scanout("other", 1), "desk");
	assert_better(scanout("", 9), scanout("other", 1), NULL);
}

static void then_the_longest_free(void **state) {
	assert_better(scanout("", 0), scanout("", 1), "desk");
	assert_better(scanout("x", 4), scanout("y", 5), NULL);
	assert_better(scanout("desk", 4), scanout("desk", 5), "desk");
}

/* A request without a label does not match a scanout that had none, nor an empty label. */
static void no_label_is_no_match(void **state) {
	assert_better(scanout("", 3), scanout("", 4), NULL);
	struct scanout a = scanout("", 3), b = scanout("", 3);
	assert_false(scanout_suits_better(&a, &b, NULL));
	assert_false(scanout_suits_better(&b, &a, NULL));
}

static void states_have_names(void **state) {
	static const char *const names[] = {
		"free", "leased", "draining", "stuck", "excluded", "absent"};
	for (int i = SCANOUT_FREE; i <= SCANOUT_ABSENT; i++) {
		assert_string_equal(scanout_state_name((enum scanout_state)i), names[i]);
	}
}

/* From the grant on until nothing is shown any more, whatever is published meanwhile. */
static void taken_until_blank(void **state) {
	for (int i = PHASE_FREE; i <= PHASE_ABSENT; i++) {
		struct scanout s = {.phase = (enum scanout_phase)i};
		assert_int_equal(scanout_is_taken(&s),
			i != PHASE_FREE && i != PHASE_EXCLUDED && i != PHASE_ABSENT);
		assert_int_equal(scanout_state(&s) == SCANOUT_LEASED,
			i >= PHASE_LEASED && i < PHASE_CHECKING);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_label_comes_first),
		cmocka_unit_test(unlabelled_comes_before_foreign),
		cmocka_unit_test(then_the_longest_free),
		cmocka_unit_test(no_label_is_no_match),
		cmocka_unit_test(states_have_names),
		cmocka_unit_test(taken_until_blank),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
