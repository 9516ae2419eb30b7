#include "front/relay.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "common/cleanup.h"

/* A call needs some hundred bytes. scanoutd may repeat in an answer what it was asked for, and must
 * not have to keep that for who does not read. */
#define MAX_CALL 4096

/* Takes the size of a string from what is left. */
static int count(const char *text, size_t *left) {
	size_t size = text ? strlen(text) : 0;
	if (size > *left) {
		return -EMSGSIZE;
	}
	*left -= size;
	return 0;
}

static int check_basic(sd_bus_message *message, char type, size_t *left) {
	union {
		const char *text;
		uint64_t number;
	} value;
	if (type == SD_BUS_TYPE_UNIX_FD) {
		return -EPERM;
	}
	int r = sd_bus_message_read_basic(message, type, &value);
	return r < 0 ? r : count(strchr("sog", type) ? value.text : "8 bytes.", left);
}

/* Reads what is left of the message, also in variants. -EPERM: there is an fd. */
static int check(sd_bus_message *message, size_t *left) {
	const char *contents;
	char type;
	int r;
	while ((r = sd_bus_message_peek_type(message, &type, &contents)) > 0) {
		if (!strchr("avre", type)) {
			r = check_basic(message, type, left);
		} else if ((r = sd_bus_message_enter_container(message, type, contents)) >= 0 &&
			   (r = check(message, left)) >= 0) {
			r = sd_bus_message_exit_container(message);
		}
		if (r < 0) {
			return r;
		}
	}
	return r;
}

int relay_new_call(sd_bus *to, sd_bus_message *call, sd_bus_message **ret) {
	AUTO_MESSAGE sd_bus_message *message = NULL;
	size_t left = MAX_CALL;
	int r;
	if ((r = sd_bus_message_rewind(call, true)) < 0 ||
		(r = count(sd_bus_message_get_path(call), &left)) < 0 ||
		(r = check(call, &left)) < 0 || (r = sd_bus_message_rewind(call, true)) < 0 ||
		(r = sd_bus_message_new_method_call(to, &message, NULL,
			 sd_bus_message_get_path(call), sd_bus_message_get_interface(call),
			 sd_bus_message_get_member(call))) < 0 ||
		(r = sd_bus_message_set_expect_reply(
			 message, sd_bus_message_get_expect_reply(call))) < 0 ||
		(r = sd_bus_message_copy(message, call, true)) < 0) {
		return r;
	}
	*ret = TAKE_PTR(message);
	return 0;
}

int relay_reply(sd_bus_message *call, sd_bus_message *reply) {
	AUTO_MESSAGE sd_bus_message *message = NULL;
	const sd_bus_error *error = sd_bus_message_get_error(reply);
	sd_bus_error name = SD_BUS_ERROR_NULL;
	int r;
	if (error) {
		name.name = error->name; // the words are in what is copied
		r = sd_bus_message_new_method_error(call, &message, &name);
	} else {
		r = sd_bus_message_new_method_return(call, &message);
	}
	if (r < 0 || (r = sd_bus_message_copy(message, reply, true)) < 0) {
		return r;
	}
	return sd_bus_send(NULL, message, NULL);
}

int relay_signal(sd_bus *to, sd_bus_message *signal) {
	AUTO_MESSAGE sd_bus_message *message = NULL;
	int r = sd_bus_message_new_signal(to, &message, sd_bus_message_get_path(signal),
		sd_bus_message_get_interface(signal), sd_bus_message_get_member(signal));
	if (r < 0 || (r = sd_bus_message_copy(message, signal, true)) < 0) {
		return r;
	}
	return sd_bus_send(to, message, NULL);
}
