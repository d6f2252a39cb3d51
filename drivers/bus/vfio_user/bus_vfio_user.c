/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The vfio-user bus: PCI devices in other processes.
 *
 * Theory
 * ------
 * EAL, the environment layer of DPDK, finds devices through buses. It asks a bus five things: which
 * devices exist (scan), to start them (probe, plug), to remove one (unplug), whether a name is
 * the name of one of its devices (parse), and which kind of bus address it needs
 * (get_iommu_class). On this bus there is nothing to discover: a device is a Unix socket, and its
 * name is the path of the socket.
 *
 * Devargs. The application names a device by -a vfio_user:/path[,key=value...], so these arguments
 * are all the devices that there are. EAL keeps them in its list of devargs, with the keys for
 * the driver. The name has at most 63 bytes and no comma. Scan turns devargs into devices; EAL
 * scans again at every hot-plug, and scan then adds only new devices. EAL asks every bus about
 * every name, so parse accepts only a name that begins with '/'.
 *
 * Probe. Firmware and a kernel have prepared a PCI device before its driver sees it. Here nothing
 * has prepared the device, and the bus does that work, in this order:
 *
 *   connect, find a driver for the ids     vfio_user_device.c, this file
 *   size and address the BARs, map the     vfio_user_bar.c
 *     areas of them that may be mapped
 *   hand EAL memory to the device          vfio_user_dma.c
 *   memory decoding, bus mastering, MSI-X  vfio_user_device.c, vfio_user_intr.c
 *   the probe of the driver                this file
 *
 * The bus undoes this in the reverse order. The connection belongs to the device object from open
 * to close. The bus believes nothing that the server sends: it checks sizes, offsets and capability
 * chains where it reads them, and does not map memory that the server could shrink.
 *
 * Memory: who maps it, and when. A device starts with no memory.
 *
 *   when                       who maps         what
 *   -------------------------  ---------------  ---------------------------------------------------
 *   before the driver's probe  the bus          all EAL memory, unless the driver claims the device
 *   EAL adds, removes pages    the bus          these pages, by a memory event
 *   a mempool is complete      the bus          its memory, as far as the device lacks it
 *   a port starts              the driver       heaps of external memory that the device lacks, by
 *                                               rte_vfio_user_dma_give_heaps()
 *   rte_dev_dma_map()          the application  external memory, by the operation dma_map below
 *   a driver with DMA mapping  the driver       each buffer, by rte_vfio_user_dma_map() or by
 *   of its own (lib/dma)                        entries of an I/O page table
 *
 * Bus addresses. A server is given a table of bus addresses, so any will do. Therefore the IOMMU
 * class is "don't care": EAL uses virtual addresses, unless another device wants physical ones.
 *
 * Data structures
 *
 *   devices, owned --> struct rte_vfio_user_device       what a driver sees
 *                        owner  --> rte_device           the device that EAL knows
 *                        driver --> rte_vfio_user_driver, in the list drivers
 *                        bars[].maps[].addr --> areas of the BARs, mapped
 *                        pci    --> struct vfio_user_pci, with pci=
 *                        bus_private --> struct vfio_user_priv      (primary process only)
 *                                          client --> struct vfu_client: connection and thread
 *                                          maps, served --> trees of struct vfio_user_map
 *                                          lost_handle --> eventfd to the interrupt thread of EAL
 *
 * Threads and locking. Devices come and go in one thread at a time. lists_lock protects the lists
 * and the owners against rte_vfio_user_device_of(), which any thread may call. The other threads
 * that enter the bus are: the receiving thread of each client (DMA_READ, DMA_WRITE,
 * loss), the interrupt thread of EAL (vector 0, loss), the IPC thread of EAL (secondary processes),
 * and any thread of the application that allocates memory (events) or calls the functions of
 * bus_vfio_user_driver.h. The file that shares data with them describes its locks.
 *
 * A secondary process has no connection. It gets what it may use from the primary process:
 * vfio_user_mp.c.
 *
 * Owned devices. A device of another bus may own a device here (rte_vfio_user_open()). The vdev of
 * a driver does so, because much of DPDK, and of the software on top of it, finds ports only
 * through the buses that it knows. EAL and the application see only the owner, whose bus decides
 * when the device comes and goes. This bus neither scans, lists nor cleans up owned devices.
 *
 * PCI drivers. With the devarg pci= the driver of a device is one of the PCI bus, for which
 * vfio_user_pci.c makes a struct rte_pci_device. The rte_device in that owns the device: EAL finds
 * it on this bus, it is the device of the port, and this bus detaches it.
 *
 * Deliberately not done: reconnecting to a server after a loss (the application unplugs the device
 * and plugs it again), interrupts other than MSI-X, work of a secondary process beyond memory.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_devargs.h>
#include <rte_errno.h>
#include <rte_kvargs.h>
#include <rte_log.h>
#include <rte_memory.h>

#include "dpdk_compat.h"
#include "vfio_user_pci_drivers.h"
#include "vfio_user_private.h"

RTE_LOG_REGISTER(vfio_user_logtype, bus.vfio_user, NOTICE);

TAILQ_HEAD(device_list, rte_vfio_user_device);

static struct device_list devices = TAILQ_HEAD_INITIALIZER(devices);
static struct device_list owned = TAILQ_HEAD_INITIALIZER(owned);
static TAILQ_HEAD(, rte_vfio_user_driver) drivers = TAILQ_HEAD_INITIALIZER(drivers);
static pthread_mutex_t lists_lock = PTHREAD_MUTEX_INITIALIZER;
static struct rte_bus vfio_user_bus;

static struct rte_vfio_user_device *
find_by_name(const char *name)
{
	struct rte_vfio_user_device *dev;

	TAILQ_FOREACH(dev, &devices, next) {
		if (strcmp(dev->device.name, name) == 0)
			return dev;
	}
	return NULL;
}

static void
device_free(struct device_list *list, struct rte_vfio_user_device *dev)
{
	pthread_mutex_lock(&lists_lock);
	TAILQ_REMOVE(list, dev, next);
	pthread_mutex_unlock(&lists_lock);
	free(dev->path);
	free(dev->pci);
	free(dev);
}

/* Add a device to a list. owner NULL: the device owns itself. @return NULL: out of memory */
static struct rte_vfio_user_device *
device_new(struct device_list *list, const char *path, struct rte_device *owner)
{
	struct rte_vfio_user_device *dev = calloc(1, sizeof(*dev));

	if (dev == NULL)
		return NULL;
	dev->path = strdup(path);
	if (dev->path == NULL) {
		free(dev);
		return NULL;
	}
	dev->device.name = dev->path;
	dev->device.bus = &vfio_user_bus;
	dev->device.numa_node = SOCKET_ID_ANY;
	dev->owner = owner != NULL ? owner : &dev->device;
	pthread_mutex_lock(&lists_lock);
	TAILQ_INSERT_TAIL(list, dev, next);
	pthread_mutex_unlock(&lists_lock);
	return dev;
}

static void
set_owner(struct rte_vfio_user_device *dev, struct rte_device *owner)
{
	pthread_mutex_lock(&lists_lock);
	dev->owner = owner;
	pthread_mutex_unlock(&lists_lock);
}

/* Return the device of that name, created if it is new. @return NULL: out of memory */
static struct rte_vfio_user_device *
device_get(const char *path)
{
	struct rte_vfio_user_device *dev = find_by_name(path);

	return dev != NULL ? dev : device_new(&devices, path, NULL);
}

/* A secondary process whose arguments name no device has all devices of the primary. */
static int
found_in_primary(const char *path)
{
	const struct rte_devargs *da;

	RTE_EAL_DEVARGS_FOREACH("vfio_user", da) {
		if (strcmp(da->name, path) == 0) /* blocked */
			return 0;
	}
	return device_get(path) != NULL ? 0 : -ENOMEM;
}

static int
vfio_user_scan(void)
{
	static bool has_names;
	struct rte_vfio_user_device *dev;
	struct rte_devargs *da;

	if (rte_eal_process_type() == RTE_PROC_PRIMARY)
		vfio_user_mp_serve();
	RTE_EAL_DEVARGS_FOREACH("vfio_user", da) {
		if (da->policy == RTE_DEV_BLOCKED)
			continue;
		has_names = true;
		dev = device_get(da->name);
		if (dev == NULL)
			return -ENOMEM;
		dev->device.devargs = da;
	}
	if (rte_eal_process_type() == RTE_PROC_PRIMARY || has_names)
		return 0;
	has_names = true;
	return vfio_user_mp_list(found_in_primary);
}

/* @return NULL: none, after one log line */
static struct rte_vfio_user_driver *
find_driver(const struct rte_vfio_user_device *dev)
{
	struct rte_vfio_user_driver *drv;

	if (dev->is_pci)
		return vfio_user_pci_driver(dev);
	TAILQ_FOREACH(drv, &drivers, next) {
		if (pci_id_in(drv->id_table, &dev->id))
			return drv;
	}
	VFIO_USER_LOG(ERR, dev->path,
			"no driver for device %04x:%04x: load its plugin with "
			"-d, or check which server listens on the socket",
			dev->id.vendor_id, dev->id.device_id);
	return NULL;
}

static void
close_device(struct rte_vfio_user_device *dev)
{
	vfio_user_device_close(dev);
	if (!dev->is_pci)
		return;
	set_owner(dev, &dev->device);
	vfio_user_pci_release(dev);
}

/*
 * Start one device.
 * @return 0; or a negative errno value, after one log line with the reason
 */
static int
probe_one(struct rte_vfio_user_device *dev)
{
	const bool primary = rte_eal_process_type() == RTE_PROC_PRIMARY;
	struct rte_vfio_user_driver *drv;
	int ret;

	/*
	 * Not device.driver, which is the field of EAL for this: some releases set it before the
	 * probe.
	 */
	if (dev->driver != NULL)
		return -EEXIST;
	ret = primary ? vfio_user_pci_prepare(dev) : 0;
	if (ret == 0 && dev->is_pci)
		set_owner(dev, vfio_user_pci_owner(dev));
	if (ret == 0)
		ret = primary ? vfio_user_device_open(dev) : vfio_user_mp_attach(dev);
	if (ret != 0)
		goto close;

	drv = find_driver(dev);
	if (drv == NULL) {
		ret = -ENOTSUP;
		goto close;
	}

	ret = primary ? vfio_user_device_start(dev, drv->claims != NULL && drv->claims(dev)) : 0;
	if (ret != 0)
		goto close;

	VFIO_USER_LOG(INFO, dev->path, "device %04x:%04x, driver %s", dev->id.vendor_id,
			dev->id.device_id, drv->driver.name);
	dev->driver = drv;
	ret = drv->probe(drv, dev);
	if (ret != 0) {
		VFIO_USER_LOG(ERR, dev->path, "driver %s refuses the device: %s", drv->driver.name,
				strerror(abs(ret)));
		ret = ret > 0 ? -ret : ret;
		goto close;
	}
	dev->device.driver = &drv->driver;
	if (!primary)
		return 0;
	vfu_client_limit(((struct vfio_user_priv *)dev->bus_private)->client, 0);
	vfio_user_mp_show(dev->bus_private);
	/* Repeat a loss that was reported before the driver was ready for it. */
	if (!rte_vfio_user_alive(dev))
		vfio_user_lost_again(dev->bus_private);
	return 0;

close:
	dev->driver = NULL;
	close_device(dev);
	return ret;
}

static int
remove_one(struct rte_vfio_user_device *dev)
{
	int ret;

	if (dev->bus_private != NULL) {
		vfio_user_mp_hide(dev->bus_private);
		/* No longer report a loss to a driver that is about to release the device. */
		vfio_user_lost_teardown(dev->bus_private);
	}
	if (dev->driver != NULL && dev->driver->remove != NULL) {
		ret = dev->driver->remove(dev);
		if (ret != 0)
			return ret;
	}
	dev->driver = NULL;
	dev->device.driver = NULL;
	close_device(dev);
	return 0;
}

static int
vfio_user_probe(GANTRY_BUS_ONLY_ARG)
{
	struct rte_vfio_user_device *dev;
	unsigned int tried = 0, failed = 0;

	TAILQ_FOREACH(dev, &devices, next) {
		int ret = probe_one(dev);

		if (ret == -EEXIST)
			continue;
		tried++;
		if (ret != 0) {
			rte_errno = -ret;
			failed++;
		}
	}
	return tried != 0 && tried == failed ? -1 : 0;
}

static int
vfio_user_plug(GANTRY_DRIVER_ARG struct rte_device *device)
{
	return probe_one(rte_vfio_user_device_of(device));
}

static int
vfio_user_unplug(struct rte_device *device)
{
	struct rte_vfio_user_device *dev = rte_vfio_user_device_of(device);
	int ret;

	ret = remove_one(dev);
	if (ret != 0)
		return ret;
	if (GANTRY_BUS_KEEPS_UNPLUGGED)
		return 0;
	rte_devargs_remove(dev->device.devargs);
	device_free(&devices, dev);
	return 0;
}

static int
vfio_user_cleanup(GANTRY_BUS_ONLY_ARG)
{
	struct rte_vfio_user_device *dev;
	int ret = 0;

	while ((dev = TAILQ_FIRST(&devices)) != NULL) {
		/* A driver that refuses must not keep the process from ending. */
		if (remove_one(dev) != 0) {
			close_device(dev);
			ret = -1;
		}
		device_free(&devices, dev);
	}
	return ret;
}

static struct rte_device *
vfio_user_find_device(GANTRY_BUS_ARG const struct rte_device *start, rte_dev_cmp_t cmp,
		const void *data)
{
	struct rte_vfio_user_device *dev;

	TAILQ_FOREACH(dev, &devices, next) {
		if (start != NULL) {
			if (dev->owner == start)
				start = NULL;
			continue;
		}
		if (cmp(dev->owner, data) == 0)
			return dev->owner;
	}
	return NULL;
}

/* EAL asks every bus about every name: accept only a path. */
static int
vfio_user_parse(const char *name, void *addr)
{
	const char **path = addr;

	if (name[0] != '/' || name[1] == '\0')
		return -EINVAL;
	if (path != NULL)
		*path = name;
	return 0;
}

static int
match_kvargs(const struct rte_device *device, const void *arg)
{
	const struct rte_kvargs *kvargs = arg;
	const char *name = kvargs != NULL ? rte_kvargs_get(kvargs, "name") : NULL;

	return name != NULL && strcmp(name, device->name) != 0;
}

static void *
vfio_user_dev_iterate(GANTRY_BUS_ARG const void *start, const char *str,
		const struct rte_dev_iterator *it)
{
	static const char *const keys[] = { "name", NULL };
	struct rte_kvargs *kvargs = NULL;
	struct rte_device *found;

	if (str != NULL) {
		kvargs = rte_kvargs_parse(str, keys);
		if (kvargs == NULL) {
			VFIO_USER_LOG(ERR, "bus", "iterator \"%s\" is invalid: use name=PATH", str);
			rte_errno = EINVAL;
			return NULL;
		}
	}
	found = GANTRY_BUS_FIND_DEVICE(&vfio_user_bus, start, match_kvargs, kvargs);
	rte_kvargs_free(kvargs);
	return found;
}

/*
 * The mappings of the application (rte_dev_dma_map()). A driver that has claimed the device chooses
 * all bus addresses and maps each buffer itself. A mapping of the application would then be
 * useless, and could take an address that the driver is about to use. So the call succeeds
 * without effect.
 */
static bool
is_claimed(const struct rte_vfio_user_device *dev)
{
	const struct vfio_user_priv *priv = dev->bus_private;

	return priv != NULL && priv->dma_claimed;
}

static int
vfio_user_dma_map(struct rte_device *device, void *addr, uint64_t iova, size_t len)
{
	struct rte_vfio_user_device *dev = rte_vfio_user_device_of(device);
	int ret = is_claimed(dev) ?
			0 :
			rte_vfio_user_dma_map(dev, addr, iova, len,
					RTE_VFIO_USER_DMA_READ | RTE_VFIO_USER_DMA_WRITE);

	if (ret == 0)
		return 0;
	rte_errno = -ret;
	return -1;
}

static int
vfio_user_dma_unmap(struct rte_device *device, void *addr, uint64_t iova, size_t len)
{
	struct rte_vfio_user_device *dev = rte_vfio_user_device_of(device);
	int ret = is_claimed(dev) ? 0 : rte_vfio_user_dma_unmap(dev, addr, iova, len);

	if (ret == 0)
		return 0;
	rte_errno = -ret;
	return -1;
}

static enum rte_iova_mode
vfio_user_get_iommu_class(void)
{
	return RTE_IOVA_DC;
}

/* clang-format off */
static struct rte_bus vfio_user_bus = {
	.name = "vfio_user",
	.scan = vfio_user_scan,
	.probe = vfio_user_probe,
	.find_device = vfio_user_find_device,
	.GANTRY_BUS_PLUG = vfio_user_plug,
	.GANTRY_BUS_UNPLUG = vfio_user_unplug,
	GANTRY_BUS_MATCH_ANY
	.parse = vfio_user_parse,
	.dma_map = vfio_user_dma_map,
	.dma_unmap = vfio_user_dma_unmap,
	.get_iommu_class = vfio_user_get_iommu_class,
	.dev_iterate = vfio_user_dev_iterate,
	.cleanup = vfio_user_cleanup,
};
/* clang-format on */

/*
 * The loader treats the same plugin from another folder as another library, and EAL would have two
 * buses of one name. The first one remains.
 */
RTE_INIT_PRIO(vfio_user_bus_init, BUS)
{
	if (rte_bus_find_by_name(vfio_user_bus.name) != NULL) {
		VFIO_USER_LOG(WARNING, "bus",
				"a second copy of the plugin was loaded, and is not "
				"used");
		return;
	}
	rte_bus_register(&vfio_user_bus);
	GANTRY_BUS_ADD_ANY_DRIVER(&vfio_user_bus);
}

void
rte_vfio_user_register(struct rte_vfio_user_driver *driver)
{
	TAILQ_INSERT_TAIL(&drivers, driver, next);
}

void
rte_vfio_user_unregister(struct rte_vfio_user_driver *driver)
{
	TAILQ_REMOVE(&drivers, driver, next);
}

struct rte_vfio_user_device *
rte_vfio_user_device_of(const struct rte_device *device)
{
	const struct device_list *const lists[] = { &devices, &owned };
	struct rte_vfio_user_device *dev = NULL;
	unsigned int i;

	pthread_mutex_lock(&lists_lock);
	for (i = 0; i < RTE_DIM(lists) && dev == NULL; i++) {
		TAILQ_FOREACH(dev, lists[i], next) {
			if (&dev->device == device || dev->owner == device)
				break;
		}
	}
	pthread_mutex_unlock(&lists_lock);
	return dev;
}

int
rte_vfio_user_open(const char *path, struct rte_device *owner)
{
	struct rte_vfio_user_device *dev = device_new(&owned, path != NULL ? path : owner->name,
			owner);
	int ret;

	if (dev == NULL)
		return -ENOMEM;
	ret = probe_one(dev);
	if (ret != 0)
		device_free(&owned, dev);
	return ret;
}

int
rte_vfio_user_close(const struct rte_device *owner)
{
	struct rte_vfio_user_device *dev = rte_vfio_user_device_of(owner);
	int ret;

	if (dev == NULL)
		return -ENODEV;
	ret = remove_one(dev);
	if (ret == 0)
		device_free(&owned, dev);
	return ret;
}
