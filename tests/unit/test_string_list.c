/* Lists of strings: taken from a text, copied and looked into. */
#include "daemon/util/string_list.h"

#include "support.h"

static void texts_are_split_at_white_space(void **state) {
	char **list;
	assert_int_equal(string_list_split("\t one two\t", &list), 0);
	assert_string_equal(list[0], "one");
	assert_string_equal(list[1], "two");
	assert_null(list[2]);
	assert_true(string_list_contains(list, "two"));
	assert_false(string_list_contains(list, "tw"));
	string_list_free(list);
	assert_int_equal(string_list_split(" ", &list), 0);
	assert_null(list[0]);
	string_list_free(list);
	assert_false(string_list_contains(NULL, ""));
}

static void lists_are_copied_deeply(void **state) {
	char one[] = "one";
	char *list[] = {one, NULL}, **copy;
	assert_int_equal(string_list_copy(list, &copy), 0);
	assert_string_equal(copy[0], "one");
	assert_ptr_not_equal(copy[0], one);
	assert_null(copy[1]);
	string_list_free(copy);
	assert_int_equal(string_list_copy(NULL, &copy), 0);
	assert_null(copy[0]);
	string_list_free(copy);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_split_at_white_space),
		cmocka_unit_test(lists_are_copied_deeply),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
