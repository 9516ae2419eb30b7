/*
 * A program whose calls of the kernel fail, or that dies at one: linked with fault.c, it shares
 * this page with the test that started it. Calls of libsystemd count as well as its own.
 */
#ifndef TESTS_FAULT_H
#define TESTS_FAULT_H

#include <stddef.h>
#include <sys/mman.h>

enum fault_process {
	FAULT_NOBODY,
	FAULT_DOOR,
	FAULT_CHILD, // of the door, before it becomes an instance
	FAULT_INSTANCE
};

struct fault {
	volatile enum fault_process where;
	volatile unsigned call;  // the n-th call of its main thread from now; 0: none. Reached: 0
	volatile unsigned error; // which of the errors that it can have
	volatile unsigned n_errors;   // set when it is reached: how many it can have
	volatile unsigned allocation; // starve()'s `n`
	volatile unsigned is_fatal;   // it does not fail: the process is killed there
};

/* The number of an fd of the page, for the program that is started. */
#define FAULT_VARIABLE "SCANOUT_FAULT"

static inline struct fault *fault_map(int fd) {
	void *page = mmap(NULL, sizeof(struct fault), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return page == MAP_FAILED ? NULL : page;
}

#endif
