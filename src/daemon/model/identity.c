#include "daemon/model/identity.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/container.h"

bool identity_in_container(const struct identity *identity) {
	return identity->container[0] != '\0';
}

bool identity_same_holder(const struct identity *a, const struct identity *b) {
	return a->apart == b->apart && a->uid == b->uid &&
	       strcmp(a->container, b->container) == 0 && strcmp(a->engine, b->engine) == 0;
}

/* As an admin of the VM may enter all that is in it. */
static bool has_apart(const struct identity *identity, const struct identity *holder) {
	return holder->apart && !identity_in_container(identity) && identity->uid == holder->uid;
}

bool identity_acts_for(const struct identity *identity, const struct identity *holder) {
	return identity_same_holder(identity, holder) || has_apart(identity, holder) ||
	       (identity->agent && holder->served && holder->agent_uid == identity->uid);
}

bool identity_same_quota(const struct identity *a, const struct identity *b) {
	if (identity_in_container(a) || identity_in_container(b)) {
		return strcmp(a->container, b->container) == 0 && strcmp(a->engine, b->engine) == 0;
	}
	return a->uid == b->uid;
}

const char *identity_describe(const struct identity *identity, char *buffer, size_t size) {
	if (identity_in_container(identity)) {
		snprintf(buffer, size, "%s container %.12s, uid %d, pid %d", identity->engine,
			identity->container, (int)identity->uid, (int)identity->pid);
	} else {
		snprintf(buffer, size, "uid %d, pid %d", (int)identity->uid, (int)identity->pid);
	}
	return buffer;
}

static void enter_container(struct identity *identity, const struct container *container) {
	_Static_assert(sizeof(identity->engine) == sizeof(container->engine) &&
			       sizeof(identity->container) == sizeof(container->id) &&
			       sizeof(identity->unit) == sizeof(container->unit),
		"What is copied fits");
	strcpy(identity->engine, container->engine);
	strcpy(identity->container, container->id);
	strcpy(identity->unit, container->unit);
	identity->apart = container->is_apart;
}

int identity_find_container(struct identity *identity) {
	struct container container;
	int r = container_of_process(identity->pid, &container);
	if (r >= 0) {
		enter_container(identity, &container);
	}
	return r;
}

int identity_of_guest(int fd, int pidfd, struct identity *ret) {
	struct identity identity = {.guest = true};
	struct container container;
	struct ucred peer;
	int r = container_of_peer(fd, pidfd, &peer, &container);
	if (r < 0) {
		return r;
	}
	identity.uid = peer.uid;
	identity.pid = peer.pid;
	enter_container(&identity, &container);
	*ret = identity;
	return 0;
}

int identity_of_socket(int fd, struct identity *ret) {
	AUTO_CLOSE int pidfd = container_peer_pidfd(fd);
	return pidfd < 0 ? pidfd : identity_of_guest(fd, pidfd, ret);
}

int identity_of_served(int fd, const struct identity *agent, struct identity *ret) {
	struct identity identity;
	int r = identity_of_socket(fd, &identity);
	if (r < 0) {
		return r;
	}
	identity.served = true;
	identity.agent_uid = agent->uid;
	strcpy(identity.unit, agent->unit);
	*ret = identity;
	return 0;
}
