/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * pci=: a vfio-user device for the PCI drivers of DPDK, which know nothing of vfio-user.
 *
 *     -a vfio_user:/run/nic0.sock,pci=1               the first PCI driver that knows the device
 *     -a vfio_user:/run/nic0.sock,pci=net_e1000_igb   this one
 *
 * The part of the bus that PCI drivers see, and where it comes from:
 *
 *   struct rte_pci_device   made here, in no list of the PCI bus; its rte_device belongs to the
 *                           vfio-user bus, so that the application can detach the port
 *   BARs                    memory that traps each access; the access becomes a message
 *                           (vfio_user_trap.c)
 *   configuration space     a copy in a file, which EAL reads as that of uio_pci_generic; what a
 *                           driver writes stays in the copy. Bus mastering is on.
 *   interrupts              vector 0 of the handle of the bus, of which EAL believes that a vdev
 *                           has prepared it; no interrupts for queues
 *   DMA                     the bus has given all EAL memory to the device, at its IOVA in EAL,
 *                           virtual or physical (vfio_user_dma.c). Other memory is for the
 *                           application to map: rte_dev_dma_map().
 *
 * The connection does not offer VFU_CAP_QUEUE_PAGES, because an unmodified driver does not know
 * which registers it may store to without a message. Every register is trapped, the tails included.
 *
 * A PCI driver that maps BARs by itself (without RTE_PCI_DRV_NEED_MAPPING) would look for a kernel
 * driver, and is not offered the device. net_gantry_igb is one; it needs no pci=.
 *
 * A secondary process has no connection, so it cannot have the device: vfio_user_mp.c refuses.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include <rte_devargs.h>
#include <rte_eal.h>
#include <rte_kvargs.h>
#include <rte_string_fns.h>

#include "vfio_user_pci_drivers.h"
#include "vfio_user_private.h"
#include "vfio_user_trap.h"

/*
 * Least size of the memory of a BAR. A driver believes that the device has all registers of its
 * kind, and must read all ones from those that it lacks. Only addresses are reserved, no memory.
 */
#define LEAST_SIZE (UINT64_C(16) << 20)

struct vfio_user_pci {
	struct rte_pci_device pci;
	char wanted[64]; /* value of the devarg */
	struct rte_pci_driver *drv;
	struct rte_vfio_user_driver as_driver; /* the same, for this bus */
	struct vfio_user_trap traps[VFIO_USER_MAX_BARS];
	int config_fd; /* copy of configuration space; -1: none */
};

/* Copy the value of the devarg pci. @return 1: there is one; 0: there is none; or -EINVAL */
static int
read_devarg(const struct rte_vfio_user_device *dev, char *value, size_t size)
{
	const struct rte_devargs *da = dev->device.devargs;
	struct rte_kvargs *kvargs;
	const char *found;
	int ret = 0;

	if (da == NULL || da->args == NULL || strstr(da->args, "pci=") == NULL)
		return 0;
	kvargs = rte_kvargs_parse(da->args, NULL);
	if (kvargs == NULL)
		return -EINVAL;
	if (rte_kvargs_count(kvargs, "pci") != 0) {
		found = rte_kvargs_get(kvargs, "pci");
		ret = found != NULL && found[0] != '\0' && strlcpy(value, found, size) < size ?
				1 :
				-EINVAL;
	}
	rte_kvargs_free(kvargs);
	return ret;
}

/*
 * Decide who drives the device. Comes before the connection, which depends on it.
 * @retval 0 decided: dev->is_pci
 * @return a negative errno value, after one log line
 */
int
vfio_user_pci_prepare(struct rte_vfio_user_device *dev)
{
	char value[sizeof(dev->pci->wanted)];
	const int wanted = read_devarg(dev, value, sizeof(value));

	if (wanted < 0) {
		VFIO_USER_LOG(ERR, dev->path,
				"invalid device argument pci: use pci=1, or pci=NAME of a PCI "
				"driver");
		return wanted;
	}
	if (wanted == 0)
		return 0;
	if (dev->pci == NULL)
		dev->pci = calloc(1, sizeof(*dev->pci));
	if (dev->pci == NULL)
		return -ENOMEM;
	memset(dev->pci, 0, sizeof(*dev->pci));
	dev->pci->config_fd = -1;
	strlcpy(dev->pci->wanted, value, sizeof(dev->pci->wanted));
	dev->is_pci = true;
	dev->pci->pci.device.name = dev->device.name;
	dev->pci->pci.device.bus = dev->device.bus;
	dev->pci->pci.device.devargs = dev->device.devargs;
	dev->pci->pci.device.numa_node = dev->device.numa_node;
	return 0;
}

struct rte_device *
vfio_user_pci_owner(const struct rte_vfio_user_device *dev)
{
	return &dev->pci->pci.device;
}

/* A load or store of the driver: vfio_user_trap_access_t. */
static void
access_bar(void *opaque, unsigned int bar, uint64_t offset, void *buf, size_t len, bool is_store)
{
	struct vfu_client *client = vfio_user_client_of(opaque);

	/* A lost device reads as all ones, and ignores writes, as a card that was pulled. */
	if (is_store && client != NULL)
		vfu_client_region_write(client, bar, offset, buf, len);
	if (!is_store &&
			(client == NULL ||
					vfu_client_region_read(client, bar, offset, buf, len) != 0))
		memset(buf, 0xff, len);
}

static int
trap_bars(struct rte_vfio_user_device *dev)
{
	struct vfio_user_pci *p = dev->pci;
	const uint64_t page = sysconf(_SC_PAGESIZE);
	unsigned int i, nr = 0;
	int ret;

	for (i = 0; i < VFIO_USER_MAX_BARS; i++) {
		if (dev->bars[i].size == 0 || dev->bars[i].is_io ||
				dev->bars[i].size > SIZE_MAX / 2)
			continue;
		p->traps[i] = (struct vfio_user_trap){
			.name = dev->path,
			.bar = i,
			.access = access_bar,
			.opaque = dev,
			.size = RTE_MAX(RTE_ALIGN_CEIL(dev->bars[i].size, page), LEAST_SIZE),
		};
		ret = vfio_user_trap_map(&p->traps[i]);
		if (ret != 0) {
			VFIO_USER_LOG(ERR, dev->path, "BAR%u: cannot trap accesses: %s", i,
					strerror(-ret));
			return ret;
		}
		p->pci.mem_resource[i].phys_addr = dev->bars[i].bus_addr;
		p->pci.mem_resource[i].len = dev->bars[i].size;
		p->pci.mem_resource[i].addr = p->traps[i].base;
		nr++;
	}
	if (nr == 0) {
		VFIO_USER_LOG(ERR, dev->path, "no BAR has memory: no PCI driver can use it");
		return -ENODEV;
	}
	return 0;
}

/* Make the copy of configuration space from which EAL reads: see rte_pci_read_config(). */
static int
copy_config(struct rte_vfio_user_device *dev)
{
	struct vfio_user_pci *p = dev->pci;
	uint8_t config[PCI_CFG_SPACE_SIZE];
	int ret;

	ret = rte_vfio_user_read_config(dev, config, sizeof(config), 0);
	if (ret != 0)
		return ret;
	p->config_fd = memfd_create("vfio_user_config", MFD_CLOEXEC);
	if (p->config_fd < 0)
		return -errno;
	if (pwrite(p->config_fd, config, sizeof(config), 0) != (ssize_t)sizeof(config))
		return -EIO;
	p->pci.kdrv = RTE_PCI_KDRV_UIO_GENERIC;
	return rte_intr_dev_fd_set(dev->intr_handle, p->config_fd);
}

/* Return the driver that the devarg asks for. @return NULL: none, after one log line */
static struct rte_pci_driver *
choose_driver(const struct rte_vfio_user_device *dev)
{
	const char *name = dev->pci->wanted;
	const bool any = strcmp(name, "1") == 0;
	struct rte_pci_driver *drv = NULL;

	while ((drv = pci_driver_next(drv)) != NULL) {
		if ((any || strcmp(drv->driver.name, name) == 0) &&
				(drv->drv_flags & RTE_PCI_DRV_NEED_MAPPING) &&
				pci_id_in(drv->id_table, &dev->id))
			return drv;
	}
	VFIO_USER_LOG(ERR, dev->path,
			"pci=%s: no such PCI driver for device %04x:%04x that has EAL map its BARs: load "
			"its plugin with -d",
			name, dev->id.vendor_id, dev->id.device_id);
	return NULL;
}

/* Undo the probe, however far it came. */
static void
undo(struct rte_vfio_user_device *dev)
{
	struct vfio_user_pci *p = dev->pci;
	unsigned int i;

	for (i = 0; i < VFIO_USER_MAX_BARS; i++)
		vfio_user_trap_unmap(&p->traps[i]);
	if (p->config_fd >= 0)
		close(p->config_fd);
	p->config_fd = -1;
	p->pci.device.driver = NULL;
}

static int
pci_probe(struct rte_vfio_user_driver *unused, struct rte_vfio_user_device *dev)
{
	struct vfio_user_pci *p = dev->pci;
	int ret;

	p->pci.id = dev->id;
	p->pci.intr_handle = dev->intr_handle;
	rte_pci_device_name(&p->pci.addr, p->pci.name, sizeof(p->pci.name));
	ret = copy_config(dev);
	if (ret == 0)
		ret = trap_bars(dev);
	if (ret == 0) {
		GANTRY_PCI_SET_DRIVER(&p->pci, &p->drv->driver);
		ret = p->drv->probe(p->drv, &p->pci);
	}
	if (ret != 0) {
		undo(dev);
		return ret;
	}
	p->pci.device.driver = &p->drv->driver;
	return 0;
}

static int
pci_remove(struct rte_vfio_user_device *dev)
{
	struct vfio_user_pci *p = dev->pci;
	int ret = p->drv->remove != NULL ? p->drv->remove(&p->pci) : 0;

	if (ret < 0)
		return ret;
	undo(dev);
	return 0;
}

/* Return the PCI driver of the device as a driver of this bus. @return NULL: after one log line */
struct rte_vfio_user_driver *
vfio_user_pci_driver(const struct rte_vfio_user_device *dev)
{
	struct vfio_user_pci *p = dev->pci;

	p->drv = choose_driver(dev);
	if (p->drv == NULL)
		return NULL;
	if ((p->drv->drv_flags & RTE_PCI_DRV_NEED_IOVA_AS_VA) &&
			rte_eal_iova_mode() != RTE_IOVA_VA) {
		VFIO_USER_LOG(ERR, dev->path,
				"PCI driver %s needs virtual bus addresses: start with --iova-mode=va",
				p->drv->driver.name);
		return NULL;
	}
	p->as_driver = (struct rte_vfio_user_driver){
		.driver.name = p->drv->driver.name,
		.probe = pci_probe,
		.remove = pci_remove,
	};
	return &p->as_driver;
}

/* The device has no driver any longer. */
void
vfio_user_pci_release(struct rte_vfio_user_device *dev)
{
	undo(dev);
	dev->is_pci = false;
}
