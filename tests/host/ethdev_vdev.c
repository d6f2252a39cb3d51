/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A port that a vdev owns, exercised by the calls that applications use to find a device and to
 * give it memory. ethdev_calls.c explains the program.
 */

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_memory.h>

#include "ethdev_calls.h"

#define EXT_PAGE 4096
#define EXT_SIZE (16 * EXT_PAGE)

static unsigned int
matching(const char *devargs)
{
	struct rte_dev_iterator it;
	unsigned int nb = 0;
	uint16_t id;

	RTE_ETH_FOREACH_MATCHING_DEV(id, devargs, &it) {
		CHECK(id == P);
		nb++;
	}
	return nb;
}

static unsigned int
devices(const char *devstr)
{
	struct rte_dev_iterator it;
	struct rte_device *device;
	unsigned int nb = 0;

	RTE_DEV_FOREACH(device, devstr, &it)
		nb++;
	return nb;
}

static volatile unsigned int ext_freed;

static void
on_ext_freed(void *addr, void *arg)
{
	ext_freed++;
}

/* Transmit a frame whose data is in the memory at ext, and return whether it comes back. */
static bool
ext_arrives(uint8_t *ext)
{
	static struct rte_mbuf_ext_shared_info shared = { .free_cb = on_ext_freed };
	struct rte_mbuf *m = frame(&own, -1), *x = rte_pktmbuf_alloc(pool);
	bool same;

	CHECK(x != NULL);
	memcpy(ext, rte_pktmbuf_mtod(m, void *), 60);
	memset(ext + 20, 0x5A, 40);
	rte_pktmbuf_free(m);
	rte_mbuf_ext_refcnt_set(&shared, 1);
	rte_pktmbuf_attach_extbuf(x, ext, (uintptr_t)ext, 2048, &shared);
	CHECK(rte_pktmbuf_append(x, 60) != NULL);
	transmit(x);
	m = receive(SOON_MS);
	if (m == NULL)
		return false;
	same = memcmp(rte_pktmbuf_mtod(m, void *), ext, 60) == 0;
	rte_pktmbuf_free(m);
	return same;
}

/* External memory: EAL knows it, but does not map it for the device. */
static void
external_memory(struct rte_device *device)
{
	uint8_t *ext = mmap(NULL, EXT_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);
	unsigned int i;

	CHECK(ext != MAP_FAILED);
	OK(rte_extmem_register(ext, EXT_SIZE, NULL, 0, EXT_PAGE));
	for (i = 0; i < 3; i++) {
		OK(rte_dev_dma_map(device, ext, (uintptr_t)ext, EXT_SIZE));
		CHECK(rte_dev_dma_map(device, ext, (uintptr_t)ext, EXT_SIZE) < 0 &&
				rte_errno == EEXIST);
		CHECK(ext_arrives(ext + i * EXT_PAGE));
		SOON(rte_eth_tx_done_cleanup(P, 0, 0) >= 0 && ext_freed == i + 1);
		OK(rte_dev_dma_unmap(device, ext, (uintptr_t)ext, EXT_SIZE));
		CHECK(rte_dev_dma_unmap(device, ext, (uintptr_t)ext, EXT_SIZE) < 0 &&
				rte_errno == ENOENT);
	}
	OK(rte_extmem_unregister(ext, EXT_SIZE));
	munmap(ext, EXT_SIZE);
}

/*
 * The library chose all bus addresses itself, so a mapping that the application makes at a bus
 * address of its choice conflicts with none of them.
 */
void
application_maps(void)
{
	static const struct rte_eth_conf conf;
	uint8_t *ext = mmap(NULL, EXT_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);
	struct rte_eth_dev_info info;

	CHECK(ext != MAP_FAILED);
	OK(rte_eth_dev_info_get(P, &info));
	OK(rte_extmem_register(ext, EXT_SIZE, NULL, 0, EXT_PAGE));
	OK(rte_dev_dma_map(info.device, ext, 0, EXT_SIZE));
	up(&conf);
	CHECK(ext_arrives(ext));
	SOON(rte_eth_tx_done_cleanup(P, 0, 0) >= 0 && ext_freed == 1);
	down();
	OK(rte_dev_dma_unmap(info.device, ext, 0, EXT_SIZE));
	OK(rte_extmem_unregister(ext, EXT_SIZE));
	munmap(ext, EXT_SIZE);
}

void
vdev(void)
{
	static const struct rte_eth_conf conf;
	static const char name[] = "net_gantry_igb0";
	char port[RTE_ETH_NAME_MAX_LEN], by_mac[64];
	struct rte_eth_dev_info info;
	uint16_t id = UINT16_MAX;

	OK(rte_eth_dev_info_get(P, &info));
	OK(rte_eth_dev_get_name_by_port(P, port));
	CHECK(strcmp(port, name) == 0);
	CHECK(strcmp(rte_dev_name(info.device), name) == 0);
	CHECK(strcmp(rte_bus_name(rte_dev_bus(info.device)), "vdev") == 0);
	OK(rte_eth_dev_get_port_by_name(name, &id));
	CHECK(id == P);
	CHECK(matching("net_gantry_igb0") == 1);
	CHECK(matching("net_gantry_igb0,path=/any") == 1);
	snprintf(by_mac, sizeof(by_mac), "class=eth,mac=" RTE_ETHER_ADDR_PRT_FMT,
			RTE_ETHER_ADDR_BYTES(&own));
	CHECK(matching(by_mac) == 1);
	CHECK(matching("net_gantry_igb1") == 0);
	CHECK(devices("bus=vdev,name=net_gantry_igb0") == 1);
	/* The device behind the vdev is not visible on the vfio_user bus. */
	CHECK(devices("bus=vfio_user") == 0);

	up(&conf);
	external_memory(info.device);
	CHECK(arrives(&own, -1));
	down();
	OK(rte_dev_remove(info.device));
	CHECK(rte_eth_dev_get_port_by_name(name, &id) < 0);
}
