/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 *
 * A complete driver for a device that is no NIC: the "edu" device of QEMU, a DMA engine with its
 * own buffer, or its software twin (edu_device.c). All DMA goes through lib/dma. Only the library
 * knows what is between device and memory: PCI or vfio-user, and the mode. The device drives 28
 * address bits, and EAL memory is far above them: the driver states "28", and the library maps
 * the memory below that limit.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bus_pci_driver.h>
#include <rte_cycles.h>
#include <rte_io.h>
#include <rte_vfio.h>
#include <vfio_user_dma_ops.h>

#include "edu.h"
#include "edu_regs.h"
#include "gantry_dma_vfio.h"

struct edu_list edu_devices = TAILQ_HEAD_INITIALIZER(edu_devices);

/* 1. Two buses: register access, and the operations by which lib/dma maps memory for the device. */
static uint32_t
edu_read(struct edu *edu, uint32_t reg)
{
	uint32_t value;

	if (edu->pci != NULL)
		return rte_read32((uint8_t *)edu->pci->mem_resource[0].addr + reg);
	rte_vfio_user_read32(edu->vu, 0, reg, &value); /* all ones if the device is gone */
	return value;
}

static void
edu_write(struct edu *edu, uint32_t reg, uint32_t value)
{
	if (edu->pci != NULL)
		rte_write32(value, (uint8_t *)edu->pci->mem_resource[0].addr + reg);
	else
		rte_vfio_user_write32(edu->vu, 0, reg, value);
}

static int
edu_pci_dma_map(void *edu, void *va, gantry_dma_addr_t bus, size_t len, enum gantry_dma_dir dir)
{
	return gantry_dma_vfio_map(((struct edu *)edu)->container, va, bus, len, dir);
}

static int
edu_pci_dma_unmap(void *edu, void *va, gantry_dma_addr_t bus, size_t len)
{
	return gantry_dma_vfio_unmap(((struct edu *)edu)->container, bus, len);
}

static int
edu_pci_dma_claim(void *edu)
{
	return 0; /* a private container is empty */
}
static const struct gantry_dma_ops edu_pci_dma_ops = {
	.name = "vfio",
	.any_memory = true,
	.map = edu_pci_dma_map,
	.unmap = edu_pci_dma_unmap,
	.claim = edu_pci_dma_claim,
};
struct gantry_dma_params edu_dma = { .has_iommu = true };

/* 2. A command moves at most 4 KiB between bus address addr and the buffer of the device. */
static int
edu_transfer(struct edu *edu, gantry_dma_addr_t addr, size_t len, bool to_memory)
{
	int ms;

	/* 32 bits suffice: lib/dma returns no address beyond the mask. */
	edu_write(edu, EDU_DMA_SOURCE, to_memory ? EDU_BUFFER : addr);
	edu_write(edu, EDU_DMA_DESTINATION, to_memory ? addr : EDU_BUFFER);
	edu_write(edu, EDU_DMA_COUNT, len);
	edu_write(edu, EDU_DMA_COMMAND, EDU_DMA_RUN | (to_memory ? EDU_DMA_TO_MEMORY : 0));
	for (ms = 0; ms < 10000 && (edu_read(edu, EDU_DMA_COMMAND) & EDU_DMA_RUN); ms++)
		rte_delay_us_sleep(1000); /* QEMU takes 100 ms */
	return (edu->silent |= ms == 10000) ? -ETIMEDOUT : 0;
}

/* 3. Streaming mappings: the ownership of buffers changes. */
int
edu_copy(struct edu *edu, void *dst, void *src, size_t len)
{
	gantry_dma_addr_t from, to;
	size_t off, n;
	int ret = 0;

	from = gantry_dma_map_single(edu->dma, src, len, GANTRY_DMA_TO_DEVICE);
	if (gantry_dma_mapping_error(edu->dma, from))
		return -EIO;
	to = gantry_dma_map_single(edu->dma, dst, len, GANTRY_DMA_FROM_DEVICE);
	if (gantry_dma_mapping_error(edu->dma, to)) {
		gantry_dma_unmap_single(edu->dma, from, len, GANTRY_DMA_TO_DEVICE); /* unwind */
		return -EIO;
	}
	for (off = 0; off < len && ret == 0; off += n) {
		n = RTE_MIN(len - off, (size_t)EDU_BUFFER_SIZE);
		if (edu_transfer(edu, from + off, n, false) != 0 ||
				edu_transfer(edu, to + off, n, true) != 0)
			return -ETIMEDOUT; /* the device may still access both: they stay mapped */
		/* The CPU owns this part to compare it; then the device owns it again. */
		gantry_dma_sync_single_range_for_cpu(edu->dma, to, off, n, GANTRY_DMA_FROM_DEVICE);
		if (memcmp((uint8_t *)dst + off, (uint8_t *)src + off, n) != 0)
			ret = -EBADMSG;
		gantry_dma_sync_single_range_for_device(edu->dma, to, off, n,
				GANTRY_DMA_FROM_DEVICE);
	}
	gantry_dma_unmap_single(edu->dma, to, len, GANTRY_DMA_FROM_DEVICE);
	gantry_dma_unmap_single(edu->dma, from, len, GANTRY_DMA_TO_DEVICE);
	return ret; /* only now the caller owns both buffers again */
}

/* 4. Coherent memory: both sides own it at any time. The test copies one half to the other. */
static const char *
edu_self_test(struct edu *edu)
{
	gantry_dma_addr_t bus;
	uint8_t *cpu = gantry_dma_alloc_coherent(edu->dma, 4096, &bus, SOCKET_ID_ANY);
	bool ok;

	if (cpu == NULL)
		return gantry_dma_last_error();
	memset(cpu, 0xed, 2048);
	ok = edu_transfer(edu, bus, 2048, false) == 0 &&
			edu_transfer(edu, bus + 2048, 2048, true) == 0 &&
			memcmp(cpu, cpu + 2048, 2048) == 0;
	if (!edu->silent)
		gantry_dma_free_coherent(edu->dma, 4096, cpu, bus);
	return ok ? NULL : edu->silent ? "it does not answer" : "its copies do not arrive";
}

/* 5. Devices appear on either bus, and disappear. */
void
edu_close(struct edu *edu)
{
	TAILQ_REMOVE(&edu_devices, edu, next);
	(edu->silent ? gantry_dma_dev_abandon : gantry_dma_dev_destroy)(edu->dma);
	if (edu->pci != NULL && edu->pci->mem_resource[0].addr != NULL)
		rte_pci_unmap_device(edu->pci);
	if (edu->container >= 0) /* with all its mappings */
		rte_vfio_container_destroy(edu->container);
	free(edu);
}

static int
edu_start(struct rte_pci_device *pci, struct rte_vfio_user_device *vu, const char *name)
{
	struct edu *edu = calloc(1, sizeof(*edu));
	const char *why;
	int group;

	if (edu == NULL)
		return -ENOMEM;
	*edu = (struct edu){ .name = name, .pci = pci, .vu = vu, .container = -1 };
	TAILQ_INSERT_TAIL(&edu_devices, edu, next);
	edu_dma.ops = pci != NULL ? &edu_pci_dma_ops : &vfio_user_dma_ops; /* of the bus */
	edu_dma.opaque = pci != NULL ? (void *)edu : vu;
	edu_dma.name = name;
	if (pci != NULL &&
			((edu->container = rte_vfio_container_create()) < 0 ||
					rte_vfio_get_group_num(rte_pci_get_sysfs_path(), name,
							&group) <= 0 ||
					rte_vfio_container_group_bind(edu->container, group) < 0 ||
					rte_pci_map_device(pci) != 0))
		why = "it has no vfio container of its own: bind it to vfio-pci";
	else if ((edu->dma = gantry_dma_dev_create(&edu_dma)) == NULL ||
			/* The mask comes first: it determines where the library places mappings. */
			gantry_dma_set_mask_and_coherent(edu->dma, GANTRY_DMA_BIT_MASK(28)) != 0)
		why = gantry_dma_last_error();
	else if ((why = edu_self_test(edu)) == NULL)
		return 0;
	fprintf(stderr, "edu: %s is not usable: %s\n", name, why);
	edu_close(edu);
	return -EIO;
}

static int
edu_pci_probe(struct rte_pci_driver *drv, struct rte_pci_device *dev)
{
	return edu_start(dev, NULL, dev->name);
}

static int
edu_vfio_user_probe(struct rte_vfio_user_driver *drv, struct rte_vfio_user_device *dev)
{
	return edu_start(NULL, dev, dev->device.name);
}

static const struct rte_pci_id edu_ids[] = { { RTE_PCI_DEVICE(0x1234, 0x11e8) }, { 0 } };
static struct rte_pci_driver edu_pci = { .id_table = edu_ids, .probe = edu_pci_probe };
static struct rte_vfio_user_driver edu_vu = { .id_table = edu_ids, .probe = edu_vfio_user_probe };
RTE_PMD_REGISTER_PCI(edu, edu_pci);
RTE_PMD_REGISTER_VFIO_USER(edu, edu_vu);
