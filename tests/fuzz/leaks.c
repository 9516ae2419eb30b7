/*
 * sd-bus (252 and 257) forgets arrays and fds of a message that it cannot parse. Nothing of it can
 * be named here, since the library has no symbols for that. So a message that we forget is not
 * found by fuzzing: the units do that, with the same sanitizer and without this.
 */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void) {
	return "leak:libsystemd.so";
}
