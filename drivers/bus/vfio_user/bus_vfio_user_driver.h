/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * The vfio-user bus, as its drivers see it. Modelled on bus_pci_driver.h.
 *
 * A device's name is its socket's path: -a vfio_user:/run/nic0.sock[,devargs].
 * Before a driver's probe is called the bus has connected, read configuration
 * space, mapped what can be mapped of the BARs, handed EAL's memory to the
 * device (and keeps it up to date), switched on memory access and bus mastering
 * and made the interrupt handle.
 *
 * In a secondary process it has only the device's ids and the mapped areas of
 * the BARs, at the addresses that they have in the primary, where the device's
 * probe came first. There is no connection: the calls that need one return
 * -ENOTSUP, there is no interrupt handle, lost is not called, and remove undoes
 * what the secondary's probe did.
 */

#ifndef BUS_VFIO_USER_DRIVER_H
#define BUS_VFIO_USER_DRIVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <bus_driver.h>
#include <dev_driver.h>
#include <rte_compat.h>
#include <rte_interrupts.h>
#include <rte_pci.h>

#ifdef __cplusplus
extern "C" {
#endif

/** BARs of a PCI function with header type 0. */
#define VFIO_USER_MAX_BARS 6

struct rte_vfio_user_driver;

/** A BAR, mapped where it can be. */
struct rte_vfio_user_bar {
	uint64_t bus_addr;  /**< from configuration space */
	uint64_t size;      /**< bytes; 0: none */
	bool is_io;         /**< I/O space */
	bool is_64;         /**< a 64-bit memory BAR */
	unsigned int nr_maps; /**< entries of maps; 0: reachable by message only */
	/** Parts that can be reached by load and store; they do not overlap. */
	struct {
		uint64_t offset; /**< in the BAR, bytes */
		uint64_t size;   /**< bytes, whole pages */
		void *addr;      /**< in this process */
	} maps[8];
};

/** A device. The bus makes and frees it; a driver has it from its probe to its remove. */
struct rte_vfio_user_device {
	/** @cond */
	RTE_TAILQ_ENTRY(rte_vfio_user_device) next;
	/** @endcond */
	struct rte_device device;             /**< device.name is the socket's path */
	/**
	 * The device that EAL and the application know, which names the port and has the devargs:
	 * `device`, or the one of another bus that rte_vfio_user_open() was given.
	 */
	struct rte_device *owner;
	struct rte_pci_id id;                 /**< from configuration space */
	struct rte_vfio_user_driver *driver;  /**< that probes or has it; NULL: none */
	/**
	 * Vector 0 is fd, the others are efds, as vfio's MSI-X. The bus has made
	 * and wired them all: a driver calls neither rte_intr_efd_enable() nor
	 * rte_intr_efd_disable(). Its callback need not read the fd.
	 */
	struct rte_intr_handle *intr_handle;
	uint32_t nb_vectors;                  /**< MSI-X vectors the device has */
	struct rte_vfio_user_bar bars[VFIO_USER_MAX_BARS]; /**< by number */
	char *path;                           /**< the socket's; the bus's to free */
	void *bus_private;                    /**< the bus's own; a driver leaves it alone */
};

/**
 * Takes a device that matches the driver's table.
 * @return 0; a negative errno value: the device is not taken, and its connection is closed
 */
typedef int (rte_vfio_user_probe_t)(struct rte_vfio_user_driver *drv,
		struct rte_vfio_user_device *dev);
/**
 * Lets go of a device, which may be lost already. Once it returns 0 the bus closes the
 * connection, and the device object is gone.
 * @return 0; a negative errno value: the driver keeps the device
 */
typedef int (rte_vfio_user_remove_t)(struct rte_vfio_user_device *dev);

/** A driver, in static storage. */
struct rte_vfio_user_driver {
	/** @cond */
	RTE_TAILQ_ENTRY(rte_vfio_user_driver) next;
	/** @endcond */
	struct rte_driver driver;             /**< its name */
	const struct rte_pci_id *id_table;    /**< ends with vendor_id 0 */
	rte_vfio_user_probe_t *probe;         /**< not NULL */
	rte_vfio_user_remove_t *remove;       /**< NULL: nothing to undo */
	/**
	 * The device is gone (the server died, was stopped for too long, or broke
	 * the protocol). Called once, from EAL's interrupt thread. Register
	 * reads give all ones from then on, writes go nowhere.
	 */
	void (*lost)(struct rte_vfio_user_device *dev);
	/**
	 * Whether the driver will claim the device (rte_vfio_user_dma_claim()). Asked before its
	 * probe, and before anything of EAL's memory is handed over: a device that is not
	 * trusted gets none of it, not even for a moment. NULL: no.
	 */
	bool (*claims)(const struct rte_vfio_user_device *dev);
};

/** Makes a driver known to the bus; before rte_eal_init(), by RTE_PMD_REGISTER_VFIO_USER(). */
void rte_vfio_user_register(struct rte_vfio_user_driver *driver);
/** Undoes that. No device may be in the driver's hands. */
void rte_vfio_user_unregister(struct rte_vfio_user_driver *driver);

/** Registers the struct rte_vfio_user_driver @p drv by the name @p nm when the plugin is loaded. */
#define RTE_PMD_REGISTER_VFIO_USER(nm, drv) \
RTE_INIT(vfio_user_init_ ##nm) \
{ \
	(drv).driver.name = RTE_STR(nm); \
	rte_vfio_user_register(&(drv)); \
}

/**
 * Register access by message. A lost device reads as all ones; the call never blocks for longer
 * than the connection's time-out. Any thread.
 * @return 0; -ENODEV: lost; -ENOTSUP: a secondary process; -EINVAL: no such BAR; or the
 *   server's error. The value is all ones then.
 */
int rte_vfio_user_read32(struct rte_vfio_user_device *dev, unsigned int bar, uint32_t offset,
		uint32_t *value);
/** See rte_vfio_user_read32(). When it returns 0 the device has carried the write out. */
int rte_vfio_user_write32(struct rte_vfio_user_device *dev, unsigned int bar, uint32_t offset,
		uint32_t value);
/**
 * Reads @p len bytes of configuration space at @p offset. Any thread.
 * @return 0 or a negative errno value as rte_vfio_user_read32()'s; the bytes are all ones then
 */
int rte_vfio_user_read_config(struct rte_vfio_user_device *dev, void *buf, size_t len,
		uint32_t offset);
/** Writes configuration space; see rte_vfio_user_read_config(). */
int rte_vfio_user_write_config(struct rte_vfio_user_device *dev, const void *buf, size_t len,
		uint32_t offset);
/**
 * Where [offset, offset + len) of a BAR is mapped in this process, or NULL: not in one piece. Of
 * registers that the device reads there at its leisure (doorbells): to reach one that has a side
 * effect, or a value of the device's, use rte_vfio_user_read32() and rte_vfio_user_write32().
 */
void *rte_vfio_user_bar_ptr(struct rte_vfio_user_device *dev, unsigned int bar, uint64_t offset,
		size_t len);

#define RTE_VFIO_USER_DMA_READ  1u /**< the device may read it */
#define RTE_VFIO_USER_DMA_WRITE 2u /**< the device may write it */

/**
 * Lets the device reach memory beyond what the bus maps by itself, [va, va + len), at bus address
 * @p iova; the latter and @p len are multiples of 4,096. If a file of EAL's lies behind the memory
 * the server maps that; else it reads and writes by message. Any thread.
 * @param prot  RTE_VFIO_USER_DMA_READ, RTE_VFIO_USER_DMA_WRITE or both
 * @return 0; -ENODEV: not connected; -EINVAL: the range or @p prot; -EEXIST: something is mapped
 *   there; or the server's error
 */
int rte_vfio_user_dma_map(struct rte_vfio_user_device *dev, void *va, uint64_t iova, size_t len,
		uint32_t prot);
/**
 * The same for memory in a file of the caller's own: [offset, offset + len) of @p fd is mapped
 * here at @p va. The server gets the file, and with it all that is in it; the caller may close
 * @p fd afterwards. The server takes a memfd, or a file of tmpfs or hugetlbfs.
 * @return as rte_vfio_user_dma_map(); -EBADF: no file
 */
int rte_vfio_user_dma_map_fd(struct rte_vfio_user_device *dev, int fd, uint64_t offset, void *va,
		uint64_t iova, size_t len, uint32_t prot);
/**
 * Undoes one rte_vfio_user_dma_map() or rte_vfio_user_dma_map_fd(), arguments as there. When it
 * returns 0 the device makes no access any more.
 * @return 0; -ENODEV: not connected; -ENOENT: no such mapping; or the server's error
 */
int rte_vfio_user_dma_unmap(struct rte_vfio_user_device *dev, void *va, uint64_t iova, size_t len);
/**
 * Gives all devices that have EAL's memory the heaps of external memory that they lack, and takes
 * away those that EAL has no longer. EAL sends no event for such heaps without hugepages. A driver
 * calls this before it hands the device buffers, as when a port starts.
 */
void rte_vfio_user_dma_give_heaps(void);
/**
 * Takes EAL's memory away from the device, for good: when it returns 0, the device reaches what
 * rte_vfio_user_dma_map() and rte_vfio_user_dma_map_fd() give it and nothing else, whatever
 * memory EAL gets later. From the driver's probe, or when the device is idle.
 * @return 0; -ENODEV: not connected; or the server's error: what it took is given back then
 */
int rte_vfio_user_dma_claim(struct rte_vfio_user_device *dev);
/**
 * Puts an I/O page table between the device and the memory that is mapped for it (by the bus, too),
 * for good: when it returns 0, the device reaches only what an entry leads to. The device reads
 * an entry for each access and remembers nothing of it: an entry is valid as soon as it is
 * stored; once it was cleared, and a locked instruction executed, no access starts through it.
 * @param dev      the device; from its driver's probe, or when it is idle
 * @param base     the bus address of the first entry's page, a multiple of 4,096
 * @param nr       entries, one for each 4,096 bytes of bus addresses; at most 16,777,216
 * @param entries  [out] the table, all zero. An entry is the bus address at which the page is mapped
 *   for the device (EAL's memory: EAL's IOVA), and RTE_VFIO_USER_DMA_READ and _WRITE. Stored
 *   as a whole. The bus' memory, gone with the device.
 * @return 0; -ENOTSUP: the server has no such extension; -ENODEV: not connected; -EINVAL: @p base or
 *   @p nr; -EEXIST: there is one; -ENOMEM; or the server's error
 */
int rte_vfio_user_dma_page_table(struct rte_vfio_user_device *dev, uint64_t base, size_t nr,
		uint64_t **entries);
/** False once the device is lost, and in a secondary process. */
bool rte_vfio_user_alive(const struct rte_vfio_user_device *dev);
/**
 * Of a lost device: true once its server has closed the connection, or is dead, and so cannot
 * touch memory any more. False: it is only silent, and may go on where it was. May become true
 * later.
 */
bool rte_vfio_user_quiesced(const struct rte_vfio_user_device *dev);
/** The device that @p dev owns or, on this bus, is; NULL: none. */
struct rte_vfio_user_device *rte_vfio_user_device_of(const struct rte_device *dev);

/**
 * Opens the device at @p path for a device of another bus, @p owner, from the probe of the
 * owner's driver: finds a driver on this bus, and calls its probe. Under EAL the device has the
 * owner's name and devargs, and rte_vfio_user_close() ends it, not this bus.
 * @param path   the socket's; not used in a secondary process, which has the device that an owner
 *   of the same name has in the primary
 * @param owner  outlives the device
 * @return 0; or a negative errno value after one line that says why
 */
int rte_vfio_user_open(const char *path, struct rte_device *owner);
/**
 * Undoes rte_vfio_user_open(): calls the driver's remove, and closes the connection.
 * @return 0; -ENODEV: @p owner has no device; or what the driver's remove returned: it keeps it
 */
int rte_vfio_user_close(const struct rte_device *owner);

#ifdef __cplusplus
}
#endif

#endif /* BUS_VFIO_USER_DRIVER_H */
