#include "host/listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/say.h"

#define PATH "/org/qemu/Display1/Listener"
#define INTERFACE "org.qemu.Display1.Listener"
#define LOCAL "org.freedesktop.DBus.Local"
#define MAP_INTERFACE INTERFACE ".Unix.Map"

/* Guests draw into two or three buffers in turn, and mapping one costs a page fault a page. */
#define N_CACHED 4

struct listener {
	sd_bus *bus;
	sd_event_source *early; // enabled as the handshake ends
	const char *name;       // borrowed
	struct screen *screen;  // borrowed
	bool wants_copies;      // of listener_create()
	struct frame frame;     // the current one, without a reference of its own: it is in `maps`
	bool is_new;            // set by a new map, cleared as it is touched: all of it has changed
	struct map *maps[N_CACHED]; // the most recent one first; with messages, only the first
	struct seldom complaint;
};

static int complain(
	struct listener *listener, sd_bus_error *error, const char *what, const char *why) {
	say_seldom(
		&listener->complaint, "%s: QEMU's %s is refused: %s.", listener->name, what, why);
	return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "%s is refused: %s", what, why);
}

static void drop_maps(struct listener *listener) {
	for (size_t i = 0; i < N_CACHED; i++) {
		listener->maps[i] = map_unref(listener->maps[i]);
	}
	listener->frame = (struct frame){0};
}

/* To the front, in the place of number i, which is freed if it is another one. */
static void remember(struct listener *listener, struct map *map, size_t i) {
	if (listener->maps[i] != map) {
		map_unref(listener->maps[i]);
	}
	memmove(&listener->maps[1], &listener->maps[0], i * sizeof(listener->maps[0]));
	listener->maps[0] = map;
}

/* Sets the current frame, on the first of the maps. */
static void set_frame(
	struct listener *listener, enum screen_path path, const struct frame_shape *shape) {
	listener->frame = (struct frame){
		.map = listener->maps[0],
		.offset = shape->offset,
		.width = shape->width,
		.height = shape->height,
		.stride = shape->stride,
	};
	listener->is_new = true;
	struct frame frame = listener->frame;
	frame.map = map_ref(frame.map);
	screen_set(listener->screen, path, &frame);
}

static void touch(struct listener *listener, const int32_t area[4]) {
	struct rect damage = listener->is_new ? frame_whole(&listener->frame)
					      : frame_clip(&listener->frame, area);
	if (!rect_is_empty(&damage)) {
		listener->is_new = false;
		screen_touch(listener->screen, &damage);
	}
}

static int find_map(struct listener *listener, int fd, size_t size) {
	struct map *map;
	for (size_t i = 0; i < N_CACHED && listener->maps[i]; i++) {
		if (map_is_of(listener->maps[i], fd, size)) {
			remember(listener, listener->maps[i], i);
			return 0;
		}
	}
	int r = map_open(fd, size, &map);
	if (r == 0) {
		remember(listener, map, N_CACHED - 1);
	}
	return r;
}

static const char *describe(int error) {
	switch (error) {
	case -EMEDIUMTYPE:
		return "its fd is no shared memory (does the GPU have blob=on?)";
	case -ENODATA:
		return "its memory is too small for it";
	default:
		return strerror(-error);
	}
}

/* The reply comes before anything that can take time; QEMU sends UpdateMap after it. */
static int handle_scanout_map(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct listener *listener = data;
	struct frame_shape shape;
	const char *why;
	size_t size;
	int fd;
	int r = sd_bus_message_read(message, "huuuuu", &fd, &shape.offset, &shape.width,
		&shape.height, &shape.stride, &shape.format);
	if (r < 0) {
		return r;
	}
	r = frame_check(&shape, &size, &why);
	if (r < 0) {
		return complain(listener, error, "shared picture", why);
	}
	r = find_map(listener, fd, size);
	if (r < 0) {
		return complain(listener, error, "shared picture", describe(r));
	}
	r = sd_bus_reply_method_return(message, NULL);
	set_frame(listener, SCREEN_MAP, &shape);
	return r;
}

static int handle_update_map(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct listener *listener = data;
	int32_t area[4];
	int r = sd_bus_message_read(message, "iiii", &area[0], &area[1], &area[2], &area[3]);
	if (r < 0) {
		return r;
	}
	if (!listener->frame.map) {
		return complain(listener, error, "update", "there is no picture yet");
	}
	touch(listener, area);
	return sd_bus_reply_method_return(message, NULL);
}

/* Makes the current frame one in memory of our own, unless it is that already. */
static int prepare_copy(struct listener *listener, const struct frame_shape *shape) {
	size_t size = (size_t)shape->width * shape->height * FRAME_PIXEL;
	struct map *map = listener->maps[0];
	if (!map || map->ino != 0 || listener->frame.width != shape->width ||
		listener->frame.height != shape->height) {
		int r = map_new(size, &map);
		if (r < 0) {
			return r;
		}
		drop_maps(listener);
		remember(listener, map, 0);
	}
	struct frame_shape ours = *shape;
	ours.offset = 0;
	ours.stride = shape->width * FRAME_PIXEL;
	set_frame(listener, SCREEN_MESSAGES, &ours);
	return 0;
}

static void copy(
	struct listener *listener, const struct rect *at, const uint8_t *from, uint32_t stride) {
	const struct frame *frame = &listener->frame;
	uint8_t *to = listener->maps[0]->data + (size_t)at->y * frame->stride +
		      (size_t)at->x * FRAME_PIXEL;
	for (uint32_t y = 0; y < at->height; y++) {
		memcpy(to + (size_t)y * frame->stride, from + (size_t)y * stride,
			(size_t)at->width * FRAME_PIXEL);
	}
}

static int handle_scanout(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct listener *listener = data;
	struct frame_shape shape = {0};
	size_t size, length;
	const void *pixels;
	const char *why;
	int r = sd_bus_message_read(
		message, "uuuu", &shape.width, &shape.height, &shape.stride, &shape.format);
	if (r >= 0) {
		r = sd_bus_message_read_array(message, 'y', &pixels, &length);
	}
	if (r < 0) {
		return r;
	}
	r = frame_check(&shape, &size, &why);
	if (r >= 0 && length < size) {
		r = -EINVAL;
		why = "it is shorter than it says";
	}
	if (r < 0) {
		return complain(listener, error, "picture", why);
	}
	r = prepare_copy(listener, &shape);
	if (r < 0) {
		return complain(listener, error, "picture", strerror(-r));
	}
	const int32_t whole[4] = {0, 0, (int32_t)shape.width, (int32_t)shape.height};
	struct rect rect = frame_whole(&listener->frame);
	copy(listener, &rect, pixels, shape.stride);
	touch(listener, whole);
	return sd_bus_reply_method_return(message, NULL);
}

/* Why an update cannot be drawn, or NULL. */
static const char *judge_update(struct listener *listener, const int32_t area[4],
	const struct frame_shape *shape, size_t length) {
	const char *why;
	size_t size;
	if (!listener->frame.map || listener->frame.map->ino != 0) {
		return "there is no picture yet";
	}
	if (frame_check(shape, &size, &why) < 0) {
		return why;
	}
	if (length < size) {
		return "it is shorter than it says";
	}
	struct rect rect = frame_clip(&listener->frame, area);
	return rect.width != shape->width || rect.height != shape->height
		       ? "it is outside of the picture"
		       : NULL;
}

static int handle_update(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct listener *listener = data;
	struct frame_shape shape = {0};
	const void *pixels;
	int32_t area[4];
	size_t length;
	int r = sd_bus_message_read(message, "iiiiuu", &area[0], &area[1], &area[2], &area[3],
		&shape.stride, &shape.format);
	if (r >= 0) {
		r = sd_bus_message_read_array(message, 'y', &pixels, &length);
	}
	if (r < 0) {
		return r;
	}
	shape.width = area[2] < 0 ? 0 : (uint32_t)area[2];
	shape.height = area[3] < 0 ? 0 : (uint32_t)area[3];
	const char *why = judge_update(listener, area, &shape, length);
	if (why) {
		return complain(listener, error, "update", why);
	}
	struct rect rect = frame_clip(&listener->frame, area);
	copy(listener, &rect, pixels, shape.stride);
	touch(listener, area);
	return sd_bus_reply_method_return(message, NULL);
}

static int handle_disable(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct listener *listener = data;
	drop_maps(listener);
	screen_clear(listener->screen, false);
	return sd_bus_reply_method_return(message, NULL);
}

/* The error is what makes QEMU go on. */
static int handle_dmabuf(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct listener *listener = data;
	screen_set_path(listener->screen, SCREEN_UNSUPPORTED);
	say_seldom(&listener->complaint,
		"%s: QEMU has its pictures in a GPU. Start it without gl=on.", listener->name);
	return sd_bus_error_set(error, SD_BUS_ERROR_NOT_SUPPORTED, "No DMA-BUFs");
}

/* The pointer's shape and place: nobody needs them yet. */
static int handle_pointer(sd_bus_message *message, void *data, sd_bus_error *error) {
	return sd_bus_reply_method_return(message, NULL);
}

static int get_interfaces(sd_bus *bus, const char *path, const char *interface,
	const char *property, sd_bus_message *reply, void *data, sd_bus_error *error) {
	const struct listener *listener = data;
	return listener->wants_copies ? sd_bus_message_append(reply, "as", 0)
				      : sd_bus_message_append(reply, "as", 1, MAP_INTERFACE);
}

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Scanout", "uuuuay", NULL, handle_scanout, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Update", "iiiiuuay", NULL, handle_update, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ScanoutDMABUF", "huuuutb", NULL, handle_dmabuf, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("UpdateDMABUF", "iiii", NULL, handle_dmabuf, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Disable", NULL, NULL, handle_disable, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("MouseSet", "iii", NULL, handle_pointer, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("CursorDefine", "iiiiay", NULL, handle_pointer, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_PROPERTY("Interfaces", "as", get_interfaces, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable map_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("ScanoutMap", "huuuuu", NULL, handle_scanout_map, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("UpdateMap", "iiii", NULL, handle_update_map, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

/*
 * What QEMU says first may come in one piece with the end of the handshake, and sd-bus (252) does
 * not look at what it has read already before more comes. So it is told to, until it has seen all
 * of it.
 */
static int handle_early(sd_event_source *source, void *data) {
	struct listener *listener = data;
	if (sd_bus_process(listener->bus, NULL) > 0) {
		(void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	}
	return 0;
}

static int handle_local(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct listener *listener = data;
	if (sd_bus_message_is_signal(message, LOCAL, "Connected") > 0) {
		(void)sd_event_source_set_enabled(listener->early, SD_EVENT_ONESHOT);
	} else if (sd_bus_message_is_signal(message, LOCAL, "Disconnected") > 0) {
		drop_maps(listener);
		screen_clear(listener->screen, true);
	}
	return 0;
}

static int start_early(struct listener *listener, sd_event *event) {
	int r = sd_event_add_defer(event, &listener->early, handle_early, listener);
	if (r >= 0) {
		r = sd_event_source_set_enabled(listener->early, SD_EVENT_OFF);
	}
	return r < 0 ? r : sd_bus_set_connected_signal(listener->bus, true);
}

/* QEMU, the server, asks for `Interfaces` at once, and the VM stands still until it has them. */
static int start(struct listener *listener, sd_event *event, int fd) {
	int r = sd_bus_new(&listener->bus);
	if (r < 0) {
		close(fd);
		return r;
	}
	r = sd_bus_set_fd(listener->bus, fd, fd);
	if (r < 0) {
		close(fd);
		return r;
	}
	r = sd_bus_negotiate_fds(listener->bus, true);
	if (r >= 0) {
		r = sd_bus_add_object_vtable(
			listener->bus, NULL, PATH, INTERFACE, vtable, listener);
	}
	if (r >= 0) {
		r = sd_bus_add_object_vtable(
			listener->bus, NULL, PATH, MAP_INTERFACE, map_vtable, listener);
	}
	if (r >= 0) {
		r = sd_bus_add_filter(listener->bus, NULL, handle_local, listener);
	}
	if (r >= 0) {
		r = start_early(listener, event);
	}
	if (r >= 0) {
		r = sd_bus_set_close_on_exit(listener->bus, false);
	}
	if (r >= 0) {
		r = sd_bus_start(listener->bus);
	}
	return r < 0 ? r : sd_bus_attach_event(listener->bus, event, SD_EVENT_PRIORITY_NORMAL);
}

int listener_create(struct listener **ret, sd_event *event, int fd, const char *name,
	struct screen *screen, bool wants_copies) {
	struct listener *listener = calloc(1, sizeof(*listener));
	if (!listener) {
		close(fd);
		return -ENOMEM;
	}
	listener->name = name;
	listener->screen = screen;
	listener->wants_copies = wants_copies;
	screen_set_path(screen, SCREEN_UNKNOWN);
	int r = start(listener, event, fd);
	if (r < 0) {
		listener_destroy(listener);
		return r;
	}
	*ret = listener;
	return 0;
}

void listener_destroy(struct listener *listener) {
	if (listener) {
		sd_event_source_disable_unref(listener->early);
		sd_bus_close_unref(listener->bus);
		drop_maps(listener);
		screen_clear(listener->screen, false);
		free(listener);
	}
}
