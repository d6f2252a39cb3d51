/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * The vfio-user bus, as its drivers see it. Modelled on bus_pci_driver.h.
 *
 * The theory of the bus is in bus_vfio_user.c. The name of a device is the path of its socket:
 * -a vfio_user:/run/nic0.sock[,devargs]. Before the bus calls the probe of a driver, it has
 * connected, read configuration space, mapped the mappable areas of the BARs, handed EAL memory
 * to the device (and keeps it up to date), enabled memory access and bus mastering, and created
 * the interrupt handle.
 *
 * In a secondary process a device has only its ids and the mapped areas of the BARs, at the
 * addresses that they have in the primary process, which has probed the device before. There is no
 * connection: the calls that need one return -ENOTSUP (the DMA calls -ENODEV), there is no
 * interrupt handle, the bus does not call lost, and remove undoes what the probe in the secondary
 * process did.
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

/** A BAR, with its mapped areas. */
struct rte_vfio_user_bar {
	uint64_t bus_addr;    /**< from configuration space */
	uint64_t size;        /**< bytes; 0: no such BAR */
	bool is_io;           /**< I/O space */
	bool is_64;           /**< a 64-bit memory BAR */
	unsigned int nr_maps; /**< entries of maps; 0: the driver reaches the BAR by message only */
	/** Areas that the driver reaches by load and store; they do not overlap. */
	struct {
		uint64_t offset; /**< in the BAR, bytes */
		uint64_t size;   /**< bytes, whole pages */
		void *addr;      /**< in this process */
	} maps[8];
};

/** A device. The bus allocates and frees it; a driver has it from its probe to its remove. */
struct rte_vfio_user_device {
	/** @cond */
	RTE_TAILQ_ENTRY(rte_vfio_user_device) next;
	/** @endcond */
	struct rte_device device; /**< device.name is the path of the socket */
	/**
	 * The device that EAL and the application know, which names the port and has the devargs:
	 * `device`, or the device of another bus that rte_vfio_user_open() was given, or that of
	 * the PCI driver (devarg pci).
	 */
	struct rte_device *owner;
	struct rte_pci_id id;                /**< from configuration space */
	struct rte_vfio_user_driver *driver; /**< probes or has the device; NULL: none */
	/**
	 * Vector 0 is fd, the others are efds, as for MSI-X of vfio. The bus has created and wired
	 * all of them: a driver must call neither rte_intr_efd_enable() nor rte_intr_efd_disable().
	 * Its callback need not read the fd.
	 */
	struct rte_intr_handle *intr_handle;
	uint32_t nb_vectors;                               /**< MSI-X vectors of the device */
	struct rte_vfio_user_bar bars[VFIO_USER_MAX_BARS]; /**< by number */
	char *path;                                        /**< of the socket; the bus frees it */
	/** @cond for the bus only */
	bool is_pci; /* a PCI driver of DPDK has it (devarg pci) */
	struct vfio_user_pci *pci;
	/** @endcond */
	void *bus_private; /**< for the bus only */
};

/**
 * Take a device that matches the table of the driver.
 * @return 0; a negative errno value: the driver does not take the device, and the bus closes its
 *   connection
 */
typedef int rte_vfio_user_probe_t(struct rte_vfio_user_driver *drv,
		struct rte_vfio_user_device *dev);
/**
 * Release a device, which may be lost already. After this returns 0, the bus closes the connection
 * and frees the device object.
 * @return 0; a negative errno value: the driver keeps the device
 */
typedef int rte_vfio_user_remove_t(struct rte_vfio_user_device *dev);

/** A driver, in static storage. */
struct rte_vfio_user_driver {
	/** @cond */
	RTE_TAILQ_ENTRY(rte_vfio_user_driver) next;
	/** @endcond */
	struct rte_driver driver;          /**< its name */
	const struct rte_pci_id *id_table; /**< ends with vendor_id 0 */
	rte_vfio_user_probe_t *probe;      /**< not NULL */
	rte_vfio_user_remove_t *remove;    /**< NULL: nothing to undo */
	/**
	 * The device is lost: the server died, was stopped for too long, or broke the protocol.
	 * Called once, by the interrupt thread of EAL. From then on register reads return all ones,
	 * and writes have no effect.
	 */
	void (*lost)(struct rte_vfio_user_device *dev);
	/**
	 * Report whether the driver will claim the device (rte_vfio_user_dma_claim()). Called
	 * before its probe, and before the bus hands over any EAL memory: a device that is not
	 * trusted gets none of it, not even for a moment. NULL: no.
	 */
	bool (*claims)(const struct rte_vfio_user_device *dev);
};

/** Register a driver with the bus. RTE_PMD_REGISTER_VFIO_USER() does so before rte_eal_init(). */
__rte_internal
void rte_vfio_user_register(struct rte_vfio_user_driver *driver);
/** Unregister a driver. It must have no device. */
__rte_internal
void rte_vfio_user_unregister(struct rte_vfio_user_driver *driver);

/** Register the struct rte_vfio_user_driver @p drv by the name @p nm when the plugin is loaded. */
#define RTE_PMD_REGISTER_VFIO_USER(nm, drv) \
	RTE_INIT(vfio_user_init_##nm) \
	{ \
		(drv).driver.name = RTE_STR(nm); \
		rte_vfio_user_register(&(drv)); \
	}

/**
 * Read a register by message. Never blocks for longer than the time-out of the connection. Any
 * thread.
 * @param dev     the device
 * @param bar     number of the BAR
 * @param offset  in the BAR, bytes
 * @param value   [out] the value; all ones on every error, as for a lost device
 * @retval 0         read
 * @retval -ENODEV   the device is lost
 * @retval -ENOTSUP  a secondary process
 * @retval -EINVAL   no such BAR
 * @return another negative errno value: the error of the server
 */
__rte_internal
int rte_vfio_user_read32(struct rte_vfio_user_device *dev, unsigned int bar, uint32_t offset,
		uint32_t *value);
/**
 * Write a register by message; see rte_vfio_user_read32(). When it returns 0, the device has
 * carried the write out.
 */
__rte_internal
int rte_vfio_user_write32(struct rte_vfio_user_device *dev, unsigned int bar, uint32_t offset,
		uint32_t value);
/**
 * Read @p len bytes of configuration space at @p offset. Any thread.
 * @return 0 or a negative errno value as from rte_vfio_user_read32(); the bytes are then all ones
 */
__rte_internal
int rte_vfio_user_read_config(struct rte_vfio_user_device *dev, void *buf, size_t len,
		uint32_t offset);
/** Write configuration space; see rte_vfio_user_read_config(). */
__rte_internal
int rte_vfio_user_write_config(struct rte_vfio_user_device *dev, const void *buf, size_t len,
		uint32_t offset);
/**
 * Return where [offset, offset + len) of a BAR is mapped in this process. A mapping is for
 * registers that the device reads there when it next polls them (doorbells). For a register with a
 * side effect, or a value of the device, use rte_vfio_user_read32() and rte_vfio_user_write32().
 * @return the address; NULL: the range is not mapped in one piece
 */
__rte_internal
void *rte_vfio_user_bar_ptr(struct rte_vfio_user_device *dev, unsigned int bar, uint64_t offset,
		size_t len);

#define RTE_VFIO_USER_DMA_READ  1u /**< the device may read it */
#define RTE_VFIO_USER_DMA_WRITE 2u /**< the device may write it */

/**
 * Let the device reach memory beyond what the bus maps by itself. If the memory is in a file of
 * EAL, the server maps that file; else it reads and writes by message. Any thread.
 * @param dev   the device
 * @param va    address of the memory in this process
 * @param iova  bus address, a multiple of 4,096
 * @param len   bytes, a multiple of 4,096
 * @param prot  RTE_VFIO_USER_DMA_READ, RTE_VFIO_USER_DMA_WRITE or both
 * @retval 0        mapped
 * @retval -ENODEV  not connected
 * @retval -EINVAL  bad range or @p prot
 * @retval -EEXIST  overlaps another mapping
 * @return another negative errno value: the error of the server
 */
__rte_internal
int rte_vfio_user_dma_map(struct rte_vfio_user_device *dev, void *va, uint64_t iova, size_t len,
		uint32_t prot);
/** A place in a file that is also mapped in this process. */
struct rte_vfio_user_dma_file {
	int fd;          /**< of a memfd, or of a file of tmpfs or hugetlbfs; the caller keeps it */
	uint64_t offset; /**< bytes, a multiple of 4 KiB */
};
/**
 * Let the device reach @p len bytes from @p file on, which are mapped in this process at @p va. The
 * server gets the file, and with it all of its content; the caller may close the descriptor
 * afterwards.
 * @retval -EBADF  no file
 * @return else as rte_vfio_user_dma_map()
 */
__rte_internal
int rte_vfio_user_dma_map_fd(struct rte_vfio_user_device *dev, struct rte_vfio_user_dma_file file,
		void *va, uint64_t iova, size_t len, uint32_t prot);
/**
 * Undo one rte_vfio_user_dma_map() or rte_vfio_user_dma_map_fd(); the arguments must be the same.
 * When it returns 0, the device no longer accesses the memory.
 * @retval 0        unmapped
 * @retval -ENODEV  not connected
 * @retval -EINVAL  @p len is 0
 * @retval -ENOENT  no such mapping
 * @return another negative errno value: the error of the server
 */
__rte_internal
int rte_vfio_user_dma_unmap(struct rte_vfio_user_device *dev, void *va, uint64_t iova, size_t len);
/**
 * Give all devices that have EAL memory the heaps of external memory that they lack, and take away
 * those that EAL no longer has. Without hugepages EAL sends no event for such heaps. A driver calls
 * this before it hands buffers to the device, for example when a port starts.
 */
__rte_internal
void rte_vfio_user_dma_give_heaps(void);
/**
 * Take EAL memory away from the device, for good. When it returns 0, the device reaches only the
 * memory that rte_vfio_user_dma_map() and rte_vfio_user_dma_map_fd() give it, whatever memory EAL
 * gets later. Call it from the probe of the driver, or when the device is idle.
 * @retval 0        claimed
 * @retval -ENODEV  not connected
 * @return another negative errno value: the error of the server; the device then has again the
 *   memory that had been taken
 */
__rte_internal
int rte_vfio_user_dma_claim(struct rte_vfio_user_device *dev);
/**
 * Put an I/O page table between the device and the memory that is mapped for it (also by the bus),
 * for good. When it returns 0, the device reaches only memory to which an entry leads. The device
 * reads an entry for each access and caches nothing. An entry is valid as soon as it is stored.
 * After the caller has cleared an entry and executed a locked instruction, no access starts
 * through it.
 * @param dev      the device; call from the probe of its driver, or when it is idle
 * @param base     bus address of the page of the first entry, a multiple of 4,096
 * @param nr       entries, one for each 4,096 bytes of bus addresses; at most 16,777,216
 * @param entries  [out] the table, all zero. An entry is the bus address at which the page is
 *   mapped for the device (for EAL memory: its IOVA in EAL), and RTE_VFIO_USER_DMA_READ and _WRITE.
 *   Store it as a whole. The bus owns the table and frees it with the device.
 * @retval 0         every access goes through the table
 * @retval -ENOTSUP  the server does not have the extension
 * @retval -ENODEV   not connected
 * @retval -EINVAL   bad @p base or @p nr
 * @retval -EEXIST   a table exists already
 * @retval -ENOMEM   out of memory
 * @return another negative errno value: the error of the server
 */
__rte_internal
int rte_vfio_user_dma_page_table(struct rte_vfio_user_device *dev, uint64_t base, size_t nr,
		uint64_t **entries);
/** Report whether the device is alive. @return false if it is lost, or in a secondary process */
__rte_internal
bool rte_vfio_user_alive(const struct rte_vfio_user_device *dev);
/**
 * Report whether a lost device can no longer touch memory.
 * @return true if the server has closed the connection, or is dead. false: the server is only
 *   silent, and may resume its work. May become true later.
 */
__rte_internal
bool rte_vfio_user_quiesced(const struct rte_vfio_user_device *dev);
/** Return the device that @p dev owns or, on this bus, is. @return NULL: none */
__rte_internal
struct rte_vfio_user_device *rte_vfio_user_device_of(const struct rte_device *dev);

/**
 * Open the device at @p path for a device of another bus, @p owner. Called from the probe of the
 * driver of the owner; finds a driver on this bus and calls its probe. EAL knows the device by the
 * name and the devargs of the owner. rte_vfio_user_close() closes it, not this bus.
 * @param path   of the socket; ignored in a secondary process, which gets the device that an owner
 *   of the same name has in the primary process
 * @param owner  must outlive the device
 * @return 0; or a negative errno value, after one log line with the reason
 */
__rte_internal
int rte_vfio_user_open(const char *path, struct rte_device *owner);
/**
 * Undo rte_vfio_user_open(): call the remove of the driver, and close the connection.
 * @retval 0        closed
 * @retval -ENODEV  @p owner has no device
 * @return another negative errno value, from the remove of the driver, which keeps the device
 */
__rte_internal
int rte_vfio_user_close(const struct rte_device *owner);

#ifdef __cplusplus
}
#endif

#endif /* BUS_VFIO_USER_DRIVER_H */
