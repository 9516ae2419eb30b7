#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "common/cleanup.h"
#include "probe.h"
#include "report.h"

static cJSON *list_connectors(int fd, const drmModeRes *res) {
	cJSON *list = cJSON_CreateArray();

	for (int i = 0; i < res->count_connectors; i++) {
		drmModeConnector *conn = drmModeGetConnectorCurrent(fd, res->connectors[i]);
		cJSON *json = cJSON_CreateObject();
		char name[64];

		if (conn != NULL) {
			snprintf(name, sizeof(name), "%s-%u",
				drmModeGetConnectorTypeName(conn->connector_type),
				conn->connector_type_id);
			cJSON_AddStringToObject(json, "name", name);
			cJSON_AddBoolToObject(
				json, "connected", conn->connection == DRM_MODE_CONNECTED);
		}
		cJSON_AddNumberToObject(json, "id", res->connectors[i]);
		cJSON_AddItemToArray(list, json);
		drmModeFreeConnector(conn);
	}
	return list;
}

static cJSON *list_crtcs(const drmModeRes *res) {
	cJSON *list = cJSON_CreateArray();

	for (int i = 0; i < res->count_crtcs; i++) {
		cJSON_AddItemToArray(list, cJSON_CreateNumber(res->crtcs[i]));
	}
	return list;
}

static cJSON *list_encoders(int fd, const drmModeRes *res) {
	cJSON *list = cJSON_CreateArray();

	for (int i = 0; i < res->count_encoders; i++) {
		drmModeEncoder *encoder = drmModeGetEncoder(fd, res->encoders[i]);
		cJSON *json = cJSON_CreateObject();

		cJSON_AddNumberToObject(json, "id", res->encoders[i]);
		if (encoder != NULL) {
			cJSON_AddNumberToObject(json, "possible_crtcs", encoder->possible_crtcs);
		}
		cJSON_AddItemToArray(list, json);
		drmModeFreeEncoder(encoder);
	}
	return list;
}

static const char *plane_type(int fd, uint32_t id) {
	static const char *const names[] = {
		[DRM_PLANE_TYPE_OVERLAY] = "overlay",
		[DRM_PLANE_TYPE_PRIMARY] = "primary",
		[DRM_PLANE_TYPE_CURSOR] = "cursor",
	};
	int type = kms_plane_type(fd, id);

	return type >= 0 && type < 3 ? names[type] : "unknown";
}

static cJSON *list_planes(int fd) {
	cJSON *list = cJSON_CreateArray();
	drmModePlaneRes *planes = drmModeGetPlaneResources(fd);

	for (uint32_t i = 0; planes != NULL && i < planes->count_planes; i++) {
		drmModePlane *plane = drmModeGetPlane(fd, planes->planes[i]);
		cJSON *json = cJSON_CreateObject();

		cJSON_AddNumberToObject(json, "id", planes->planes[i]);
		cJSON_AddStringToObject(json, "type", plane_type(fd, planes->planes[i]));
		if (plane != NULL) {
			cJSON_AddNumberToObject(json, "possible_crtcs", plane->possible_crtcs);
		}
		cJSON_AddItemToArray(list, json);
		drmModeFreePlane(plane);
	}
	drmModeFreePlaneResources(planes);
	return list;
}

static uint32_t count_planes(int fd) {
	drmModePlaneRes *planes = drmModeGetPlaneResources(fd);
	uint32_t n = planes != NULL ? planes->count_planes : 0;

	drmModeFreePlaneResources(planes);
	return n;
}

/*
 * The kernel tells no one which client flags an fd has; the number of planes that it lists tells
 * whether UNIVERSAL_PLANES was set before we came. ATOMIC is tried and taken back.
 */
static cJSON *try_flags(int fd) {
	cJSON *json = cJSON_CreateObject();
	int r;

	cJSON_AddNumberToObject(json, "planes_before", count_planes(fd));
	r = drmSetClientCap(fd, DRM_CLIENT_CAP_ATOMIC, 1);
	cJSON_AddStringToObject(json, "atomic", report_errno(r < 0 ? errno : 0));
	drmSetClientCap(fd, DRM_CLIENT_CAP_ATOMIC, 0); // takes UNIVERSAL_PLANES with it
	r = drmSetClientCap(fd, DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1);
	cJSON_AddStringToObject(json, "universal_planes", report_errno(r < 0 ? errno : 0));
	return json;
}

int probe_objects(const struct probe *probe) {
	AUTO_JSON cJSON *json = NULL;
	struct probe_output output;
	cJSON *flags;
	drmModeRes *res;
	int r;

	r = probe_take(probe, &output);
	if (r < 0) {
		return r;
	}
	flags = try_flags(output.lease.fd);
	res = drmModeGetResources(output.lease.fd);
	if (res == NULL) {
		r = probe_failed(-errno, "list the objects");
		cJSON_Delete(flags);
		close(output.lease.fd);
		return r;
	}
	json = cJSON_CreateObject();
	cJSON_AddStringToObject(json, "scanout", output.lease.id);
	cJSON_AddNumberToObject(json, "lessee", output.lease.lessee);
	cJSON_AddBoolToObject(json, "master", drmIsMaster(output.lease.fd));
	cJSON_AddItemToObject(json, "flags", flags);
	cJSON_AddItemToObject(json, "connectors", list_connectors(output.lease.fd, res));
	cJSON_AddItemToObject(json, "crtcs", list_crtcs(res));
	cJSON_AddItemToObject(json, "encoders", list_encoders(output.lease.fd, res));
	cJSON_AddItemToObject(json, "planes", list_planes(output.lease.fd));
	report_line(json);
	drmModeFreeResources(res);
	close(output.lease.fd);
	return 0;
}
