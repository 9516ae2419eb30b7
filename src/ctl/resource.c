/* scanoutctl resource: the host's memory behind what a scanout shows. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/json.h"
#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/framebuffer.h"
#include "ctl/options.h"
#include "ctl/property.h"
#include "ctl/report.h"

static int report_read(struct ctl *ctl, const char *id, const char *device, int r) {
	switch (r) {
	case -EACCES:
	case -EPERM:
		return report(ctl, CTL_REFUSED, "AccessDenied",
			"Only root may see what a scanout shows. Type: sudo scanoutctl resource %s",
			id);
	case -ENODATA:
		return report(ctl, CTL_REFUSED, "NoPicture",
			"'%s' shows nothing. Who holds it? Type: scanoutctl status %s", id, id);
	case -ENOTTY:
		return report(ctl, CTL_REFUSED, "NotVirtioGpu",
			"'%s' is no virtio-gpu, so its memory has no resource id.", device);
	case -ENXIO:
		return report(ctl, CTL_REFUSED, "NoSuchScanout",
			"'%s' has no such connector any more. Type: scanoutctl list", device);
	default:
		return report(ctl, CTL_REFUSED, "System", "'%s' cannot be read: %s.", device,
			strerror(-r));
	}
}

static int print_object(const char *id, const struct framebuffer *fb) {
	AUTO_JSON cJSON *object = cJSON_CreateObject();
	return cJSON_AddStringToObject(object, "id", id) &&
			       cJSON_AddNumberToObject(object, "resource", fb->resource) &&
			       cJSON_AddNumberToObject(object, "size", (double)fb->size) &&
			       cJSON_AddNumberToObject(object, "framebuffer", fb->id) &&
			       cJSON_AddNumberToObject(object, "width", fb->width) &&
			       cJSON_AddNumberToObject(object, "height", fb->height) &&
			       cJSON_AddNumberToObject(object, "stride", fb->stride) &&
			       cJSON_AddStringToObject(object, "format", fb->format)
		       ? json_print(object)
		       : -ENOMEM;
}

static void print_text(const struct framebuffer *fb) {
	printf("resource:    %u\n"
	       "size:        %llu bytes\n"
	       "framebuffer: %u\n"
	       "picture:     %ux%u %s, %u bytes a row\n",
		fb->resource, (unsigned long long)fb->size, fb->id, fb->width, fb->height,
		fb->format, fb->stride);
}

int run_resource(struct ctl *ctl, int argc, char *argv[]) {
	struct framebuffer fb;
	int code = options_parse(ctl, argc, argv, 1);
	if (code != CTL_OK || ctl->finished) {
		return code;
	}
	AUTO_JSON cJSON *scanout = NULL;
	code = client_find(ctl, argv[optind], &scanout);
	if (code != CTL_OK) {
		return code;
	}
	/* An id is cardN-CONNECTOR, in the kernel's words for both. */
	const char *id = property_string(scanout, "id");
	const char *device = property_string(scanout, "device");
	const char *connector = strchr(id, '-');
	int r = framebuffer_read(device, connector ? connector + 1 : "", &fb);
	if (r < 0) {
		return report_read(ctl, id, device, r);
	}
	if (!ctl->json) {
		print_text(&fb);
		return CTL_OK;
	}
	return print_object(id, &fb) < 0 ? report_no_memory(ctl) : CTL_OK;
}
