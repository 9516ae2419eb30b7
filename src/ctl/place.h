/* Where scanoutctl runs: in the VM, or in a container, where other things help. */
#ifndef SCANOUT_CTL_PLACE_H
#define SCANOUT_CTL_PLACE_H

/* What to type when the system bus leads to no scanoutd; NULL in the VM. */
const char *place_advise(void);

#endif
