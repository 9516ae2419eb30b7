/* A picture that stays for a while, in the state file: written, read, and taken up again. */
#include "common/cleanup.h"
#include "daemon/core/restore.h"
#include "daemon/core/state_json.h"
#include "daemon/drain/drain.h"
#include "daemon/drain/linger.h"
#include "rig.h"

#define V1 "card0-Virtual-1"
#define LONG UINT64_C(3600000000)

static struct answer *begin(struct rig *rig, const struct identity *asker) {
	struct answer *answer =
		ask(rig, asker, .label = "desk", .scanout = V1, .linger_usec = LONG);
	assert_granted(answer, V1);
	return answer;
}

/* What the next daemon reads, of a lease or of the picture after it; false: of neither. */
static bool read_back(struct rig *rig, struct state_lease *ret) {
	struct state written = {0};
	struct state_lease leases[CARD_MAX_OBJECTS];
	AUTO_JSON_TEXT char *text = state_print(&rig->manager.cards, &rig->manager.leases);
	assert_int_equal(state_parse(&written.table, text), 0);
	size_t n = state_take(&written, TAILQ_FIRST(&rig->manager.cards)->store_name, leases);
	assert_true(n <= 1);
	*ret = n == 1 ? leases[0] : *ret;
	state_finish(&written);
	return n == 1;
}

static void it_is_written_down(void **state) {
	struct rig *rig = *state;
	struct identity asker = spawn_asker(&container_a);
	struct answer *held = begin(rig, &asker);
	struct state_lease lease, picture;
	assert_true(read_back(rig, &lease));
	assert_int_equal(lease.lessee, held->lessee);
	assert_int_equal(lease.linger_usec, LONG);
	assert_int_equal(lease.until, 0);
	assert_int_equal(lease.copy_fd, -1);
	uint64_t before = now_usec();
	answer_close(held);
	end_asker(&asker);
	run_until(rig->event, linger_is_on(rig_scanout(rig, V1)));
	assert_true(read_back(rig, &picture));
	assert_int_equal(picture.lessee, 0);
	assert_int_equal(picture.linger_usec, LONG);
	assert_true(picture.until >= before + LONG && picture.until <= now_usec() + LONG);
	assert_int_equal(picture.framebuffer, rig_scanout(rig, V1)->framebuffer);
	assert_int_equal(picture.generation, lease.generation);
	assert_memory_equal(&picture.objects, &lease.objects, sizeof(lease.objects));
	assert_string_equal(picture.label, "desk");
	assert_true(identity_same_holder(&picture.holder, &container_a));
	drain_cut(rig_scanout(rig, V1));
	assert_false(read_back(rig, &picture));
}

/* The lease has become another's: the next daemon must not look for what lets it linger. */
static void a_lease_that_lingers_no_more(void **state) {
	struct rig *rig = *state;
	struct identity asker = spawn_asker(&container_a);
	struct answer *held = begin(rig, &asker);
	struct state_lease before, after;
	assert_true(read_back(rig, &before));
	end_asker(&asker);
	run_until(rig->event, linger_usec(rig_scanout(rig, V1)) == 0);
	assert_true(read_back(rig, &after));
	assert_int_equal(after.lessee, held->lessee);
	assert_int_equal(after.generation, before.generation);
	assert_int_equal(after.linger_usec, 0);
}

/* The next daemon: the picture stands for what is left of its time. */
static void it_is_taken_up_again(void **state) {
	struct rig *rig = *state;
	struct scanout *scanout = rig_scanout(rig, V1);
	struct identity asker = spawn_asker(&user);
	answer_close(begin(rig, &asker));
	end_asker(&asker);
	run_until(rig->event, linger_is_on(scanout));
	struct state_lease found;
	assert_true(read_back(rig, &found));
	for (unsigned past = 0; past < 2; past++) {
		drain_forget(scanout);
		scanout->phase = PHASE_FREE;
		found.until = past ? 1 : found.until;
		unsigned blanked = fake_count(FAKE_BLANK);
		restore_picture(scanout, &found);
		run_until(rig->event,
			past ? scanout_state(scanout) == SCANOUT_FREE : linger_is_on(scanout));
		assert_int_equal(fake_count(FAKE_BLANK), blanked + past);
		assert_int_equal(fake_n_adopted(), 1 - past);
	}
	assert_string_equal(scanout->last_label, "desk");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(it_is_written_down),
		TEST(a_lease_that_lingers_no_more),
		TEST(it_is_taken_up_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
