/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * One device: its connection, configuration space, BARs.
 *
 * A driver reaches registers in two ways. By message it reaches any register: the server carries
 * the access out and replies. Through memory that the server shares, it reaches only the areas that
 * the server offers for mapping: an access there is a plain load or store, which the device notices
 * when it next polls. A driver uses messages for every register with side effects, and the mapping
 * where speed matters.
 *
 * Shared memory is a matter of trust: if a server truncates the file under a mapping, the next
 * access raises SIGBUS and kills the process. So the bus maps a file only if it is sealed against
 * shrinking, or if the bus can still seal it.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_eal.h>
#include <rte_memory.h>

#include "vfio_user_private.h"

/*
 * The bus addresses of BARs that have none; the bus acts as firmware here. The range is the hole
 * below 4 GiB that PCs reserve for PCI, which never is a bus address of memory. Each device has a
 * window, by its index in mmio_slots.
 */
#define MMIO_BASE   UINT64_C(0xe0000000)
#define MMIO_WINDOW UINT64_C(0x00400000)
#define MMIO_SLOTS  64
#define IO_BASE     0x1000u
#define IO_WINDOW   0x0100u

#define CONFIG_SIZE PCI_CFG_SPACE_SIZE

#define MAP_ALIGN   (UINT64_C(1) << 21)

static const struct rte_vfio_user_device *mmio_slots[MMIO_SLOTS];

static inline struct vfio_user_priv *
priv_of(const struct rte_vfio_user_device *dev)
{
	return dev->bus_private;
}

/* NULL in a secondary process. */
static inline struct vfu_client *
client_of(const struct rte_vfio_user_device *dev)
{
	const struct vfio_user_priv *priv = dev->bus_private;

	return priv != NULL ? priv->client : NULL;
}

static int
config_read(struct rte_vfio_user_device *dev, uint32_t offset, void *buf, size_t len)
{
	struct vfu_client *client = client_of(dev);

	if (client == NULL)
		return -ENOTSUP;
	return vfu_client_region_read(client, VFIO_PCI_CONFIG_REGION_INDEX, offset, buf, len);
}

static int
config_write(struct rte_vfio_user_device *dev, uint32_t offset, const void *buf, size_t len)
{
	struct vfu_client *client = client_of(dev);

	if (client == NULL)
		return -ENOTSUP;
	return vfu_client_region_write(client, VFIO_PCI_CONFIG_REGION_INDEX, offset, buf, len);
}

static uint16_t
le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

/* Set and clear bits of the command register (PCI 3.0, 6.2.2). */
static int
command_update(struct rte_vfio_user_device *dev, uint16_t set, uint16_t clear)
{
	uint8_t b[2];
	uint16_t cmd;
	int ret;

	ret = config_read(dev, PCI_COMMAND, b, sizeof(b));
	if (ret != 0)
		return ret;
	cmd = (le16(b) | set) & ~clear;
	b[0] = cmd & 0xff;
	b[1] = cmd >> 8;
	return config_write(dev, PCI_COMMAND, b, sizeof(b));
}

/*
 * Find a capability in a copy of configuration space, because a server may change the original at
 * any time. A chain that is longer than possible ends the search.
 */
static uint8_t
find_capability(const uint8_t *config, uint8_t id)
{
	unsigned int left = (CONFIG_SIZE - PCI_STD_HEADER_SIZEOF) / PCI_CAP_SIZEOF;
	uint8_t at;

	if (!(le16(config + PCI_STATUS) & PCI_STATUS_CAP_LIST))
		return 0;
	for (at = config[PCI_CAPABILITY_LIST] & ~3; at >= PCI_STD_HEADER_SIZEOF && left > 0;
			at = config[at + PCI_CAP_LIST_NEXT] & ~3, left--) {
		if (config[at + PCI_CAP_LIST_ID] == id)
			return at;
	}
	return 0;
}

static int
read_ids(struct rte_vfio_user_device *dev, uint8_t *config)
{
	struct vfio_user_priv *priv = priv_of(dev);
	int ret;

	ret = config_read(dev, 0, config, CONFIG_SIZE);
	if (ret != 0) {
		VFIO_USER_LOG(ERR, "%s: cannot read configuration space: %s", dev->path,
			strerror(-ret));
		return ret;
	}
	dev->id.vendor_id = le16(config + PCI_VENDOR_ID);
	dev->id.device_id = le16(config + PCI_DEVICE_ID);
	dev->id.class_id = config[PCI_CLASS_PROG] | config[PCI_CLASS_DEVICE] << 8 |
			config[PCI_CLASS_DEVICE + 1] << 16;
	dev->id.subsystem_vendor_id = le16(config + PCI_SUBSYSTEM_VENDOR_ID);
	dev->id.subsystem_device_id = le16(config + PCI_SUBSYSTEM_ID);
	if (dev->id.vendor_id == 0xffff || dev->id.vendor_id == 0 ||
			(config[PCI_HEADER_TYPE] & 0x7f) != PCI_HEADER_TYPE_NORMAL) {
		VFIO_USER_LOG(ERR, "%s: no PCI function is there (vendor %04x, header type %02x)",
			dev->path, dev->id.vendor_id, config[PCI_HEADER_TYPE]);
		return -ENODEV;
	}
	priv->msix_cap = find_capability(config, PCI_CAP_ID_MSIX);
	if (priv->msix_cap != 0 && priv->msix_cap + PCI_MSIX_FLAGS + 2 <= CONFIG_SIZE)
		dev->nb_vectors = (le16(config + priv->msix_cap + PCI_MSIX_FLAGS) &
				PCI_MSIX_FLAGS_QSIZE) + 1;
	return 0;
}

/*
 * Connect, and read which device it is. Switches nothing on. On an error vfio_user_device_close()
 * undoes what was done.
 */
int
vfio_user_device_open(struct rte_vfio_user_device *dev)
{
	struct vfio_user_priv *priv;
	struct vfu_client_params params = {
		.queue_pages = true,
		.dma_read = vfio_user_dma_read,
		.dma_write = vfio_user_dma_write,
		.lost = vfio_user_lost,
	};
	struct vfu_device_info info;
	struct vfu_region region;
	uint8_t config[CONFIG_SIZE];
	char err[VFU_ERR_LEN];
	unsigned int i;
	int ret;

	priv = calloc(1, sizeof(*priv));
	if (priv == NULL)
		return -ENOMEM;
	priv->dev = dev;
	priv->lost_fd = -1;
	for (i = 0; i < VFIO_USER_MAX_BARS; i++)
		priv->bar_files[i].fd = -1;
	TAILQ_INIT(&priv->eal_maps);
	pthread_rwlock_init(&priv->served_lock, NULL);
	pthread_mutex_init(&priv->lost_lock, NULL);
	dev->bus_private = priv;

	/* Before the connection, which may be lost from its first moment on. */
	ret = vfio_user_lost_setup(priv);
	if (ret != 0)
		return ret;

	params.opaque = priv;
	ret = vfu_client_connect(dev->path, &params, &priv->client, err);
	if (ret != 0) {
		priv->client = NULL;
		VFIO_USER_LOG(ERR, "%s", err);
		return ret;
	}
	vfu_client_limit(priv->client, VFIO_USER_PROBE_MS);
	ret = vfu_client_device_info(priv->client, &info);
	if (ret != 0) {
		VFIO_USER_LOG(ERR, "%s: cannot ask for the device: %s", dev->path, strerror(-ret));
		return ret;
	}
	if (!(info.flags & VFIO_DEVICE_FLAGS_PCI) ||
			info.num_regions <= VFIO_PCI_CONFIG_REGION_INDEX) {
		VFIO_USER_LOG(ERR, "%s: not a PCI device (flags 0x%x, %u regions)", dev->path,
			info.flags, info.num_regions);
		return -ENODEV;
	}
	ret = vfu_client_region_info(priv->client, VFIO_PCI_CONFIG_REGION_INDEX, &region);
	if (ret == 0 && region.fd >= 0)
		close(region.fd);
	if (ret != 0 || region.size < CONFIG_SIZE) {
		VFIO_USER_LOG(ERR, "%s: the device has no configuration space", dev->path);
		return ret != 0 ? ret : -ENODEV;
	}
	return read_ids(dev, config);
}

/*
 * Report whether the file can never become shorter than the mapped part, and never lacks a page of
 * it. The seal does not prevent that a hole is punched, and an access to a hole of a hugetlb file
 * raises SIGBUS if no huge page is free.
 */
static bool
cannot_shrink(int fd, uint64_t end)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct statfs fs;
	struct stat st;

	if (seals < 0 || fstatfs(fd, &fs) != 0 || fs.f_type == HUGETLBFS_MAGIC)
		return false;
	if (!(seals & F_SEAL_SHRINK) && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) != 0)
		return false;
	return fstat(fd, &st) == 0 && st.st_size >= 0 && (uint64_t)st.st_size >= end;
}

static int
end_of_memory(const struct rte_memseg_list *msl, void *arg)
{
	uintptr_t *end = arg;

	if (!msl->external)
		*end = RTE_MAX(*end, (uintptr_t)msl->base_va + msl->len);
	return 0;
}

/*
 * Map an area above EAL memory, where a secondary process can also map it. The kernel would choose
 * an address among libraries and stacks, whose places differ between processes. The distance to EAL
 * memory leaves room for the PCI bus of DPDK, which does the same.
 */
static void *
map_above_memory(size_t size, int fd, uint64_t offset)
{
	const uintptr_t room = UINT64_C(1) << 40;
	static uintptr_t next;
	unsigned int tries;
	void *addr;

	if (next == 0) {
		rte_memseg_list_walk(end_of_memory, &next);
		next = RTE_ALIGN_CEIL(next, MAP_ALIGN) + room;
	}
	for (tries = 0; tries < 16; tries++) {
		addr = mmap((void *)next, size, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_FIXED_NOREPLACE, fd, offset);
		/* mmap() has verified the size that the server sent, so the sum is valid. */
		if (addr == MAP_FAILED && errno != EEXIST)
			break;
		next += RTE_ALIGN_CEIL(size, MAP_ALIGN);
		if (addr != MAP_FAILED)
			return addr;
	}
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
}

static int
map_area(struct rte_vfio_user_device *dev, unsigned int index, const struct vfu_region *region,
		uint64_t offset, uint64_t size)
{
	struct rte_vfio_user_bar *bar = &dev->bars[index];
	const uint64_t page = sysconf(_SC_PAGESIZE);
	uint64_t start, end;
	void *addr;

	if (size == 0 || offset > region->size || size > region->size - offset ||
			(offset | size) % page != 0 ||
			__builtin_add_overflow(region->fd_offset, offset, &start) ||
			__builtin_add_overflow(start, size, &end) || end > INT64_MAX ||
			start % page != 0 || bar->nr_maps == RTE_DIM(bar->maps)) {
		VFIO_USER_LOG(ERR, "%s: BAR%u: the server offers an impossible area to map, offset "
			"0x%" PRIx64 " size 0x%" PRIx64, dev->path, index, offset, size);
		return -EPROTO;
	}
	if (!cannot_shrink(region->fd, end)) {
		VFIO_USER_LOG(WARNING, "%s: BAR%u: the server's memory is too short, of huge pages or "
			"not sealed against shrinking: not mapped, used by message", dev->path, index);
		return 0;
	}
	addr = map_above_memory(size, region->fd, start);
	if (addr == MAP_FAILED) {
		int ret = -errno;

		VFIO_USER_LOG(ERR, "%s: BAR%u: cannot map 0x%" PRIx64 " bytes at 0x%" PRIx64 ": %s",
			dev->path, index, size, offset, strerror(-ret));
		return ret;
	}
	bar->maps[bar->nr_maps].addr = addr;
	bar->maps[bar->nr_maps].offset = offset;
	bar->maps[bar->nr_maps].size = size;
	bar->nr_maps++;
	return 0;
}

static uint64_t
place_bar(struct rte_vfio_user_device *dev, uint64_t *next, uint64_t end, uint64_t size)
{
	uint64_t at = RTE_ALIGN_CEIL(*next, size);

	if (!rte_is_power_of_2(size) || at + size > end) {
		VFIO_USER_LOG(DEBUG, "%s: a BAR of 0x%" PRIx64 " bytes stays without an address",
			dev->path, size);
		return 0;
	}
	*next = at + size;
	return at;
}

/*
 * Size the BARs as PCI 3.0, 6.2.5.1 describes: write ones, read back which bits are writable. Keep
 * an address that is there. If there is none, because no firmware has run, assign one.
 */
static int
setup_bars(struct rte_vfio_user_device *dev)
{
	struct vfio_user_priv *priv = priv_of(dev);
	unsigned int slot, i = 0, a;
	uint64_t mmio, mmio_end, io, io_end;
	int ret;

	for (slot = 0; slot < MMIO_SLOTS && mmio_slots[slot] != NULL; slot++)
		;
	mmio = MMIO_BASE + slot * MMIO_WINDOW;
	mmio_end = mmio;
	io = IO_BASE + slot * IO_WINDOW;
	io_end = io;
	if (slot < MMIO_SLOTS) {
		mmio_slots[slot] = dev;
		mmio_end += MMIO_WINDOW;
		io_end += IO_WINDOW;
	}

	/* No decoding while the registers hold anything else than addresses. */
	ret = command_update(dev, 0, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	if (ret != 0)
		goto broken;

	for (i = 0; i < VFIO_USER_MAX_BARS; i++) {
		struct rte_vfio_user_bar *bar = &dev->bars[i];
		const uint32_t at = PCI_BASE_ADDRESS_0 + 4 * i;
		uint32_t old[2] = { 0, 0 }, mask[2] = { 0, 0 }, ones = UINT32_MAX;
		struct vfu_region region;
		unsigned int words;
		uint64_t sized;

		ret = config_read(dev, at, &old[0], 4);
		if (ret != 0)
			goto broken;
		bar->is_io = old[0] & PCI_BASE_ADDRESS_SPACE_IO;
		bar->is_64 = !bar->is_io && (old[0] & PCI_BASE_ADDRESS_MEM_TYPE_MASK) ==
				PCI_BASE_ADDRESS_MEM_TYPE_64 && i + 1 < VFIO_USER_MAX_BARS;
		words = bar->is_64 ? 2 : 1;
		for (a = 0; a < words; a++) {
			ret = config_read(dev, at + 4 * a, &old[a], 4);
			ret = ret != 0 ? ret : config_write(dev, at + 4 * a, &ones, 4);
			ret = ret != 0 ? ret : config_read(dev, at + 4 * a, &mask[a], 4);
			ret = ret != 0 ? ret : config_write(dev, at + 4 * a, &old[a], 4);
			if (ret != 0)
				goto broken;
		}
		if (bar->is_io) {
			bar->bus_addr = old[0] & PCI_BASE_ADDRESS_IO_MASK;
			mask[0] &= (uint32_t)PCI_BASE_ADDRESS_IO_MASK;
			sized = mask[0] & -mask[0];
		} else {
			bar->bus_addr = (uint64_t)old[1] << 32 |
					(old[0] & (uint32_t)PCI_BASE_ADDRESS_MEM_MASK);
			sized = (uint64_t)mask[1] << 32 |
					(mask[0] & (uint32_t)PCI_BASE_ADDRESS_MEM_MASK);
			sized &= -sized;
		}

		ret = vfu_client_region_info(priv->client, i, &region);
		if (ret != 0)
			goto broken;
		/*
		 * The region size is the accessible part; configuration space may have a smaller
		 * one.
		 */
		bar->size = region.size;
		if (sized != bar->size)
			VFIO_USER_LOG(DEBUG, "%s: BAR%u: 0x%" PRIx64 " bytes by configuration "
				"space, 0x%" PRIx64 " by region", dev->path, i, sized, bar->size);

		if (bar->size != 0 && bar->size == sized && bar->bus_addr == 0) {
			uint64_t to = bar->is_io ? place_bar(dev, &io, io_end, bar->size) :
					place_bar(dev, &mmio, mmio_end, bar->size);
			uint32_t lo = (uint32_t)to, hi = (uint32_t)(to >> 32);

			ret = config_write(dev, at, &lo, 4);
			if (ret == 0 && bar->is_64)
				ret = config_write(dev, at + 4, &hi, 4);
			if (ret != 0) {
				if (region.fd >= 0)
					close(region.fd);
				goto broken;
			}
			bar->bus_addr = to;
		}

		ret = 0;
		if ((region.flags & VFIO_REGION_INFO_FLAG_MMAP) && region.fd >= 0) {
			if (region.nr_areas == 0)
				ret = map_area(dev, i, &region, 0, region.size);
			for (a = 0; a < region.nr_areas && ret == 0; a++)
				ret = map_area(dev, i, &region, region.areas[a].offset,
						region.areas[a].size);
		}
		if (bar->nr_maps != 0) {
			/* Keep the file for secondary processes. */
			priv->bar_files[i].fd = region.fd;
			priv->bar_files[i].offset = region.fd_offset;
		} else if (region.fd >= 0) {
			close(region.fd);
		}
		if (ret != 0)
			return ret;
		i += words - 1;
	}
	return 0;

broken:
	VFIO_USER_LOG(ERR, "%s: cannot set up BAR%u: %s", dev->path, i,
		strerror(-ret));
	return ret;
}

/*
 * Make the device ready for the probe of its driver.
 * claimed: the device gets no EAL memory.
 */
int
vfio_user_device_start(struct rte_vfio_user_device *dev, bool claimed)
{
	struct vfio_user_priv *priv = priv_of(dev);
	int ret;

	ret = setup_bars(dev);
	if (ret != 0)
		return ret;
	ret = vfio_user_dma_attach(priv, claimed);
	if (ret != 0) {
		VFIO_USER_LOG(ERR, "%s: cannot give the device access to memory: %s", dev->path,
			strerror(-ret));
		return ret;
	}
	ret = command_update(dev, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
			PCI_COMMAND_INTX_DISABLE, 0);
	if (ret != 0) {
		VFIO_USER_LOG(ERR, "%s: cannot switch on bus mastering: %s", dev->path,
			strerror(-ret));
		return ret;
	}
	ret = vfio_user_intr_setup(priv);
	if (ret != 0)
		VFIO_USER_LOG(ERR, "%s: cannot wire the interrupts: %s", dev->path, strerror(-ret));
	return ret;
}

static void
bars_unmap(struct rte_vfio_user_device *dev)
{
	unsigned int i, m;

	for (i = 0; i < VFIO_USER_MAX_BARS; i++) {
		for (m = 0; m < dev->bars[i].nr_maps; m++)
			munmap(dev->bars[i].maps[m].addr, dev->bars[i].maps[m].size);
	}
	memset(dev->bars, 0, sizeof(dev->bars));
}

/*
 * Undo open and start, or what a secondary process has instead, however far they came. First stop
 * the device, then take its memory away, then end the connection. After the reply to the last
 * DMA_UNMAP the device no longer writes. A server that merely notices that its client has gone may
 * still write for a moment.
 */
void
vfio_user_device_close(struct rte_vfio_user_device *dev)
{
	struct vfio_user_priv *priv = priv_of(dev);
	unsigned int i;

	if (priv == NULL) {
		bars_unmap(dev);
		return;
	}
	vfio_user_mp_hide(priv);
	if (priv->client != NULL)
		vfu_client_limit(priv->client, VFIO_USER_CLOSE_MS);
	if (priv->client != NULL && vfu_client_alive(priv->client) && priv->dma_attached) {
		command_update(dev, 0, PCI_COMMAND_MASTER);
		vfu_client_reset(priv->client);
	}
	vfio_user_intr_teardown(priv);
	vfio_user_dma_detach(priv);
	if (priv->client != NULL)
		vfu_client_close(priv->client);
	vfio_user_dma_free(priv);
	vfio_user_lost_teardown(priv);
	bars_unmap(dev);
	for (i = 0; i < VFIO_USER_MAX_BARS; i++) {
		if (priv->bar_files[i].fd >= 0)
			close(priv->bar_files[i].fd);
	}
	for (i = 0; i < MMIO_SLOTS; i++) {
		if (mmio_slots[i] == dev)
			mmio_slots[i] = NULL;
	}
	pthread_rwlock_destroy(&priv->served_lock);
	pthread_mutex_destroy(&priv->lost_lock);
	dev->bus_private = NULL;
	dev->nb_vectors = 0;
	free(priv);
}

int
rte_vfio_user_read32(struct rte_vfio_user_device *dev, unsigned int bar, uint32_t offset,
		uint32_t *value)
{
	struct vfu_client *client = client_of(dev);
	int ret = client == NULL ? -ENOTSUP : -EINVAL;

	if (client != NULL && bar < VFIO_USER_MAX_BARS)
		ret = vfu_client_region_read(client, bar, offset, value, sizeof(*value));
	if (ret != 0)
		*value = UINT32_MAX;
	else
		*value = rte_le_to_cpu_32(*value);
	return ret;
}

int
rte_vfio_user_write32(struct rte_vfio_user_device *dev, unsigned int bar, uint32_t offset,
		uint32_t value)
{
	struct vfu_client *client = client_of(dev);

	if (client == NULL)
		return -ENOTSUP;
	if (bar >= VFIO_USER_MAX_BARS)
		return -EINVAL;
	value = rte_cpu_to_le_32(value);
	return vfu_client_region_write(client, bar, offset, &value, sizeof(value));
}

int
rte_vfio_user_read_config(struct rte_vfio_user_device *dev, void *buf, size_t len, uint32_t offset)
{
	int ret = config_read(dev, offset, buf, len);

	if (ret != 0)
		memset(buf, 0xff, len);
	return ret;
}

int
rte_vfio_user_write_config(struct rte_vfio_user_device *dev, const void *buf, size_t len,
		uint32_t offset)
{
	return config_write(dev, offset, buf, len);
}

void *
rte_vfio_user_bar_ptr(struct rte_vfio_user_device *dev, unsigned int bar, uint64_t offset,
		size_t len)
{
	unsigned int m;

	if (bar >= VFIO_USER_MAX_BARS)
		return NULL;
	for (m = 0; m < dev->bars[bar].nr_maps; m++) {
		uint64_t start = dev->bars[bar].maps[m].offset;
		uint64_t size = dev->bars[bar].maps[m].size;

		if (offset >= start && offset - start <= size && len <= size - (offset - start))
			return (uint8_t *)dev->bars[bar].maps[m].addr + (offset - start);
	}
	return NULL;
}

bool
rte_vfio_user_alive(const struct rte_vfio_user_device *dev)
{
	const struct vfu_client *client = client_of(dev);

	return client != NULL && vfu_client_alive(client);
}

bool
rte_vfio_user_quiesced(const struct rte_vfio_user_device *dev)
{
	const struct vfio_user_priv *priv = dev->bus_private;

	return priv != NULL && priv->client != NULL && vfu_client_quiesced(priv->client);
}
