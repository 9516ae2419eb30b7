/* The C library's function with the name of one that this library replaces. */
#ifndef SCANOUT_PRELOAD_NEXT_H
#define SCANOUT_PRELOAD_NEXT_H

#include <dlfcn.h>

#define EXPORT __attribute__((visibility("default")))

/* Threads may look it up at the same time; all of them find the same function. */
#define NEXT(function)                                                                    \
	({                                                                                \
		static __typeof__(&function) next_;                                       \
		__typeof__(&function) found_ = __atomic_load_n(&next_, __ATOMIC_RELAXED); \
		if (!found_) {                                                            \
			found_ = (__typeof__(&function))dlsym(RTLD_NEXT, #function);      \
			__atomic_store_n(&next_, found_, __ATOMIC_RELAXED);               \
		}                                                                         \
		found_;                                                                   \
	})

#endif
