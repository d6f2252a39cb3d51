/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * One memory, three addresses: the CPU's virtual one, by which this process
 * reaches it; the physical one, by which the memory controller does, and which
 * Linux tells root only; the bus address, by which the device does. Where the
 * last two or the first and the last are the same depends on what is between the
 * device and the memory (doc/dma.md).
 *
 * Only a driver knows where its rings and BARs are. Ours tells; of other drivers
 * the memzones are shown, which is where DPDK's drivers keep their rings.
 */

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_io.h>
#include <rte_memzone.h>

#include "gantry_dma.h"
#include "rte_pmd_gantry_igb.h"
#include "testpmd.h"

#define ADDRESS_LEN 20

struct table {
	json_t *rows;
	const struct port *port;
	bool needs_root;
};

/*
 * Who made the mapping by which this process reaches it. A PCI device's BARs are
 * mapped through the kernel driver that it is bound to.
 */
static const char *
bar_mapper(const struct port *p, const void *cpu, bool is_io, char *buf, size_t len)
{
	const char *bus = rte_bus_name(rte_dev_bus(p->info.device));
	char path[PATH_MAX], driver[PATH_MAX];
	ssize_t n;

	if (strcmp(bus, "pci") != 0) {
		/* What is not mapped is reached by a message for each access. */
		snprintf(buf, len, "%s", cpu != NULL ? "bus vfio_user" : "no: by message");
		return buf;
	}
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver",
		rte_dev_name(p->info.device));
	n = readlink(path, driver, sizeof(driver) - 1);
	driver[RTE_MAX(n, 0)] = '\0';
	if (cpu == NULL)
		snprintf(buf, len, is_io ? "no: I/O space" : "no");
	else
		snprintf(buf, len, "bus pci, %s", n > 0 ? basename(driver) : "no kernel driver");
	return buf;
}

/* @p cpu NULL: not reached by this process; @p bus UINT64_MAX: not reached by the device */
static void
row(struct table *t, const char *kind, const char *name, const void *cpu, uint64_t bus,
	uint64_t size, const char *mapper)
{
	char cpu_text[ADDRESS_LEN] = "-", phys_text[ADDRESS_LEN] = "-", bus_text[ADDRESS_LEN] = "-";
	gantry_phys_addr_t phys;
	int ret;

	if (cpu != NULL) {
		snprintf(cpu_text, sizeof(cpu_text), "0x%" PRIxPTR, (uintptr_t)cpu);
		ret = gantry_virt_to_phys(cpu, &phys);
		if (ret == 0)
			snprintf(phys_text, sizeof(phys_text), "0x%" PRIx64, phys);
		else if (ret == -EPERM)
			snprintf(phys_text, sizeof(phys_text), "needs root");
		t->needs_root |= ret == -EPERM;
	}
	if (bus != UINT64_MAX)
		snprintf(bus_text, sizeof(bus_text), "0x%" PRIx64, bus);
	printf("%-4u  %-8s  %-28s  %10" PRIu64 "  %-18s  %-18s  %-18s  %s\n", t->port->id, kind,
		name, size, cpu_text, phys_text, bus_text, mapper);
	json_array_append_new(t->rows, json_pack("{sisssssIssssssss}",
		"port", (int)t->port->id, "kind", kind, "name", name, "size", (json_int_t)size,
		"cpu", cpu_text, "physical", phys_text, "bus", bus_text,
		"mapped_by", mapper));
}

static int
object(void *arg, const struct rte_pmd_gantry_igb_object *o)
{
	const char *kind = rte_pmd_gantry_igb_object_type_name(o->type);
	const char *mapper = "EAL";
	char name[64], buf[64];
	struct table *t = arg;

	if (o->type == RTE_PMD_GANTRY_IGB_BAR) {
		mapper = bar_mapper(t->port, o->cpu, o->is_io, buf, sizeof(buf));
		/* A page has a physical address from its first use on; no register there minds. */
		if (o->cpu != NULL)
			rte_read32(o->cpu);
	}
	if (o->type == RTE_PMD_GANTRY_IGB_RX_RING || o->type == RTE_PMD_GANTRY_IGB_TX_RING) {
		mapper = "lib/dma, coherent";
		snprintf(name, sizeof(name), "queue %u", o->index);
	} else {
		snprintf(name, sizeof(name), "%s", o->name);
	}
	row(t, kind, name, o->cpu, o->bus, o->size, mapper);
	return 0;
}

/* Another driver's port: EAL's view of the memory. */
static uint64_t
eal_bus_address(rte_iova_t iova)
{
	return iova == RTE_BAD_IOVA ? UINT64_MAX : iova;
}

static void
pool_chunk(struct rte_mempool *mp, void *arg, struct rte_mempool_memhdr *chunk, unsigned int i)
{
	row(arg, "pool", mp->name, chunk->addr, eal_bus_address(chunk->iova), chunk->len, "EAL");
}

static void
memzone(const struct rte_memzone *mz, void *arg)
{
	row(arg, "memzone", mz->name, mz->addr, eal_bus_address(mz->iova), mz->len, "EAL");
}

int
addresses_run(const struct options *o)
{
	struct table t = {.rows = json_array()};
	bool foreign = false;
	int status = 0;

	printf("%-4s  %-8s  %-28s  %10s  %-18s  %-18s  %-18s  %s\n", "port", "what", "which",
		"bytes", "CPU (virtual)", "physical", "bus (device)", "mapped by");
	for (unsigned int i = 0; i < nb_ports; i++) {
		int ret;

		t.port = &ports[i];
		ret = rte_pmd_gantry_igb_for_each_object(ports[i].id, object, &t);
		if (ret == -ENOTSUP) {
			rte_mempool_mem_iter(mbuf_pool, pool_chunk, &t);
			foreign = true;
		} else if (ret != 0) {
			complain("port %u (%s): its memory cannot be listed: %s", ports[i].id,
				ports[i].name, strerror(-ret));
			status = 1;
		}
	}
	if (foreign) {
		t.port = &ports[0];
		rte_memzone_walk(memzone, &t);
	}
	printf("bus addresses: IOVA mode %s\n",
		rte_eal_iova_mode() == RTE_IOVA_PA ? "PA (physical)" : "VA (virtual)");
	if (t.needs_root)
		printf("physical addresses: needs root (CAP_SYS_ADMIN)\n");
	if (o->json != NULL && report_write(o->json, t.rows) != 0)
		status = 1;
	json_decref(t.rows);
	return status;
}
