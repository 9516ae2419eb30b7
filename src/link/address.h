/* Where a card is: its GPU's address as QEMU tells it on the host, org.qemu.Display1.Console. */
#ifndef SCANOUT_LINK_ADDRESS_H
#define SCANOUT_LINK_ADDRESS_H

#include <stddef.h>

/*
 * From the path of its device in sysfs: "/sys/devices/pci0000:00/0000:00:02.0/virtio0" is
 * "pci/0000/02.0", and what is behind bridges "pci/0000/1e.0/01.0". Empty if it is not on PCI.
 */
void address_parse(const char *path, char *ret, size_t size);
/* Of a card such as /dev/dri/card0. */
void address_of_card(const char *device, char *ret, size_t size);

#endif
