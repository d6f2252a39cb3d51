/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Shows three addresses of each piece of memory: the virtual address, by which this process
 * accesses it; the physical address, by which the memory controller does, and which Linux reveals
 * to root only; and the bus address, by which the device does. Which of them are equal depends on
 * what is between device and memory (doc/dma.md).
 *
 * Only a driver knows its rings and BARs. net_gantry_igb reports them. For other drivers, the
 * command shows the memzones, in which drivers of DPDK keep their rings.
 *
 * Below that it shows what the device can reach. A list of three rings that the driver uses does
 * not show what a faulty device could access: in direct mode that is all EAL memory, in strict
 * mode each mapping by itself, with its creator.
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

#include "gantry_dma_reach.h"
#include "rte_pmd_gantry_igb.h"
#include "testpmd.h"

#define ADDRESS_LEN 20

struct table {
	json_t *rows;
	const struct port *port;
	bool needs_root;
};

/*
 * Return what mapped a BAR into this process. The BARs of a PCI device are mapped through the
 * kernel driver to which the device is bound.
 */
static const char *
bar_mapper(const struct port *p, const void *cpu, bool is_io, char *buf, size_t len)
{
	const char *bus = rte_bus_name(rte_dev_bus(p->info.device));
	char path[PATH_MAX], driver[PATH_MAX];
	ssize_t n;

	if (strcmp(bus, "pci") != 0) {
		/* A register that is not mapped is accessed by a message each time. */
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

/* A piece of memory. */
struct row {
	const char *kind, *name;
	const void *cpu;       /* NULL: not accessible to this process */
	gantry_dma_addr_t bus; /* UINT64_MAX: not accessible to the device */
	uint64_t size;
	const char *mapper;
};

static void
add_row(struct table *t, const struct row *r)
{
	char cpu[ADDRESS_LEN] = "-", phys_text[ADDRESS_LEN] = "-", bus[ADDRESS_LEN] = "-";
	gantry_phys_addr_t phys;
	int ret;

	if (r->cpu != NULL) {
		snprintf(cpu, sizeof(cpu), "0x%" PRIxPTR, (uintptr_t)r->cpu);
		ret = gantry_virt_to_phys(r->cpu, &phys);
		if (ret == 0)
			snprintf(phys_text, sizeof(phys_text), "0x%" PRIx64, phys);
		else if (ret == -EPERM)
			snprintf(phys_text, sizeof(phys_text), "needs root");
		t->needs_root |= ret == -EPERM;
	}
	if (r->bus != UINT64_MAX)
		snprintf(bus, sizeof(bus), "0x%" PRIx64, r->bus);
	printf("%-4u  %-8s  %-28s  %10" PRIu64 "  %-18s  %-18s  %-18s  %s\n", t->port->id, r->kind,
			r->name, r->size, cpu, phys_text, bus, r->mapper);
	json_array_append_new(t->rows,
			json_pack("{sisssssIssssssss}", "port", (int)t->port->id, "kind", r->kind,
					"name", r->name, "size", (json_int_t)r->size, "cpu", cpu,
					"physical", phys_text, "bus", bus, "mapped_by", r->mapper));
}

static int
object(void *arg, const struct rte_pmd_gantry_igb_object *o)
{
	struct row r = {
		.kind = rte_pmd_gantry_igb_object_type_name(o->type),
		.name = o->name,
		.cpu = o->cpu,
		.bus = o->bus,
		.size = o->size,
		.mapper = "EAL",
	};
	char name[64], mapper[64];
	struct table *t = arg;

	if (o->type == RTE_PMD_GANTRY_IGB_BAR) {
		r.mapper = bar_mapper(t->port, o->cpu, o->is_io, mapper, sizeof(mapper));
		/*
		 * A page has a physical address only after its first use. No register at this place
		 * has a side effect. Apart from the accesses of the driver, this is the only access
		 * to a BAR.
		 */
		if (o->cpu != NULL)
			rte_read32(o->cpu);
	}
	if (o->type == RTE_PMD_GANTRY_IGB_RX_RING || o->type == RTE_PMD_GANTRY_IGB_TX_RING) {
		r.mapper = "lib/dma, coherent";
		snprintf(name, sizeof(name), "queue %u", o->index);
		r.name = name;
	}
	add_row(t, &r);
	return 0;
}

/* Ports of other drivers: memory as EAL sees it. */
static gantry_dma_addr_t
eal_bus_address(rte_iova_t iova)
{
	return iova == RTE_BAD_IOVA ? UINT64_MAX : iova;
}

static void
pool_chunk(struct rte_mempool *mp, void *arg, struct rte_mempool_memhdr *chunk, unsigned int i)
{
	add_row(arg,
			&(struct row){ "pool", mp->name, chunk->addr, eal_bus_address(chunk->iova),
					chunk->len, "EAL" });
}

static void
memzone(const struct rte_memzone *mz, void *arg)
{
	add_row(arg,
			&(struct row){ "memzone", mz->name, mz->addr, eal_bus_address(mz->iova),
					mz->len, "EAL" });
}

/*
 * The memory that a device can reach.
 */

struct reach {
	const struct port *port;
	const char *mode;
	json_t *rows;
};

static void
group(void *arg, const struct gantry_dma_reach_group *g)
{
	struct reach *r = arg;
	char first[ADDRESS_LEN], last[ADDRESS_LEN], cpu[ADDRESS_LEN], since[16] = "-";
	const bool known = g->oldest_ms != UINT64_MAX;

	snprintf(first, sizeof(first), "0x%" PRIx64, g->first);
	snprintf(last, sizeof(last), "0x%" PRIx64, g->last);
	snprintf(cpu, sizeof(cpu), "0x%" PRIxPTR, (uintptr_t)g->cpu);
	if (known)
		snprintf(since, sizeof(since), "%.1f s", g->oldest_ms / 1000.0);
	printf("%-4u  %-6s  %-8s  %-6s  %8u  %10" PRIu64 "  %-18s  %-18s  %-18s  %8s  %s\n",
			r->port->id, r->mode, gantry_dma_reach_name(g->reach),
			gantry_dma_access_name(g->dir), g->nr, g->bytes, first, last, cpu, since,
			g->by);
	json_array_append_new(r->rows,
			json_pack("{sissssss sisIssssss sI ss}", "port", (int)r->port->id, "mode",
					r->mode, "what", gantry_dma_reach_name(g->reach), "access",
					gantry_dma_access_name(g->dir), "mappings", (int)g->nr,
					"bytes", (json_int_t)g->bytes, "first", first, "last", last,
					"cpu", cpu, "oldest_ms",
					known ? (json_int_t)g->oldest_ms : (json_int_t)-1,
					"mapped_by", g->by));
}

/* Print the groups of all ports. Return them as an array. */
static json_t *
show_reach(void)
{
	struct reach r = { .rows = json_array() };
	int ret;

	printf("\nmemory that the device may reach now\n%-4s  %-6s  %-8s  %-6s  %8s  %10s  %-18s  "
	       "%-18s  %-18s  %8s  %s\n",
			"port", "mode", "what", "access", "mappings", "bytes", "bus, first",
			"bus, last", "CPU, first", "since", "mapped by");
	for (unsigned int i = 0; i < nb_ports; i++) {
		r.port = &ports[i];
		ret = rte_pmd_gantry_igb_for_each_reach(ports[i].id, &r.mode, group, &r);
		if (ret == -ENOTSUP)
			printf("%-4u  not known: not a port of net_gantry_igb\n", ports[i].id);
		else if (ret != 0)
			report_error("port %u (%s): cannot list the memory that it may reach: %s",
					ports[i].id, ports[i].name, strerror(-ret));
	}
	return r.rows;
}

int
addresses_run(const struct options *o)
{
	struct table t = { .rows = json_array() };
	json_t *report;
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
			report_error("port %u (%s): its memory cannot be listed: %s", ports[i].id,
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
	report = json_pack("{soso}", "objects", t.rows, "reach", show_reach());
	if (o->json != NULL && report_write(o->json, report) != 0)
		status = 1;
	json_decref(report);
	return status;
}
