/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/* What the scenarios share: see ethdev_calls.c. */

#ifndef ETHDEV_CALLS_H
#define ETHDEV_CALLS_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#define RING    512
#define MBUFS   4095
#define P       0 /* the port */

extern struct rte_mempool *pool;
extern struct rte_ether_addr own;

/* Prints what was wrong, and ends with 1. */
void wrong(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

#define CHECK(what) do { \
	if (!(what)) \
		wrong("%s, line %d: %s", __FILE__, __LINE__, #what); \
} while (0)
#define OK(call) do { \
	int ret_ = (call); \
	if (ret_ != 0) \
		wrong("%s, line %d: %s: %s", __FILE__, __LINE__, #call, rte_strerror(-ret_)); \
} while (0)

/* What must come true does within this: it only bounds hanging. */
#define SOON_MS 20000
#define SOON(what) do { \
	const uint64_t end_ = rte_get_timer_cycles() + rte_get_timer_hz() / 1000 * SOON_MS; \
	while (!(what)) { \
		if (rte_get_timer_cycles() > end_) \
			wrong("%s, line %d: not within %u ms: %s", __FILE__, __LINE__, SOON_MS, #what); \
		rte_delay_us_sleep(1000); \
	} \
} while (0)

void wait_link(void);
void queues(const struct rte_eth_conf *conf, uint16_t nb_rxq, bool deferred);
void up(const struct rte_eth_conf *conf);
void down(void);
struct rte_mbuf *frame(const struct rte_ether_addr *to, int vlan);
void transmit(struct rte_mbuf *m);
struct rte_mbuf *receive(unsigned int ms);
bool arrives(const struct rte_ether_addr *to, int vlan);

/* ethdev_device.c */
void bad_buffer(void);
void bad_buffer_wire(void);
void device_error(void);
void link_watch(void);
void quiet(void);
void ring_bases(void);
void stale(void);
void stall_rx(void);
void stall_tx(void);
void unplug(void);

/* ethdev_limits.c */
void prepare(void);
void scatter(void);

/* ethdev_vdev.c */
void application_maps(void);
void vdev(void);

#endif /* ETHDEV_CALLS_H */
