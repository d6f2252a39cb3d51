/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Declarations that the scenarios share; ethdev_calls.c explains the program. Each function ends
 * the program with status 1 if a call fails. Only the main thread may call these functions.
 */

#ifndef ETHDEV_CALLS_H
#define ETHDEV_CALLS_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#define RING  512
#define MBUFS 4095
#define P     0 /* the port */

/* Set by main() once, before it plays the scenario. */
extern const char *scenario;      /* its name */
extern bool mac_loopback;         /* whether the argument "looped" was given */
extern struct rte_mempool *pool;  /* MBUFS mbufs for all frames */
extern struct rte_ether_addr own; /* address of the port */

/**
 * Print the name of the scenario and an error message, and end the program with status 1.
 *
 * @param fmt
 *   Format string of the message, as for printf(3), without the name of the scenario.
 */
void wrong(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

#define CHECK(what) \
	do { \
		if (!(what)) \
			wrong("%s, line %d: %s", __FILE__, __LINE__, #what); \
	} while (0)
#define OK(call) \
	do { \
		int ret_ = (call); \
		if (ret_ != 0) \
			wrong("%s, line %d: %s: %s", __FILE__, __LINE__, #call, \
					rte_strerror(-ret_)); \
	} while (0)

/* Milliseconds in which each condition must come true; the limit only keeps a test from hanging. */
#define SOON_MS 20000
#define SOON(what) \
	do { \
		const uint64_t end_ = rte_get_timer_cycles() + \
				rte_get_timer_hz() / 1000 * SOON_MS; \
		while (!(what)) { \
			if (rte_get_timer_cycles() > end_) \
				wrong("%s, line %d: not within %u ms: %s", __FILE__, __LINE__, \
						SOON_MS, #what); \
			rte_delay_us_sleep(1000); \
		} \
	} while (0)

/** Wait until the link of the port is up, at most SOON_MS. */
void wait_link(void);

/**
 * Configure the port and set up its queues, each with RING descriptors.
 *
 * @param conf
 *   The configuration. With the argument "looped" the function adds the MAC loopback.
 * @param nb_rxq
 *   Number of receive queues; the port has one transmit queue.
 * @param deferred
 *   Whether rte_eth_dev_start() leaves all queues stopped.
 */
void queues(const struct rte_eth_conf *conf, uint16_t nb_rxq, bool deferred);

/**
 * Configure the port with one receive queue, start it, and wait for its link.
 *
 * @param conf
 *   The configuration, as for queues().
 */
void up(const struct rte_eth_conf *conf);

/** Stop and close the port, and check that all MBUFS mbufs are in the pool again. */
void down(void);

/**
 * Allocate an mbuf with a frame of 60 bytes for local experiments.
 *
 * @param to
 *   Destination address.
 * @param vlan
 *   VLAN identifier of the tag in the data, or a negative number for a frame without a tag.
 * @return
 *   The mbuf, which the caller owns.
 */
struct rte_mbuf *frame(const struct rte_ether_addr *to, int vlan);

/**
 * Hand an mbuf over to transmit queue 0, which must have room for it.
 *
 * @param m
 *   The mbuf; the driver owns it afterwards.
 */
void transmit(struct rte_mbuf *m);

/**
 * Poll receive queue 0 until a frame arrives.
 *
 * @param ms
 *   Limit in milliseconds.
 * @return
 *   The mbuf, which the caller owns, or NULL if no frame arrived in time.
 */
struct rte_mbuf *receive(unsigned int ms);

/**
 * Transmit a frame and check whether it comes back. A broadcast frame that follows it marks the end
 * of the wait, so the function also consumes any other frame that is pending.
 *
 * @param to
 *   Destination address.
 * @param vlan
 *   VLAN identifier, as for frame().
 * @return
 *   Whether the frame came back.
 */
bool arrives(const struct rte_ether_addr *to, int vlan);

/* ethdev_setup.c */
void deferred_queues(void);
void filters(void);
void identity(void);
void restart(void);

/* ethdev_events.c */
void interrupts(void);
void link_changes(void);
void speeds(void);

/* ethdev_offloads.c */
void sctp(void);
void tso(void);

/* ethdev_owner.c */
void free_in_flight(void);
void unresponsive_device(void);

/* ethdev_device.c */
void bad_buffer(void);
void bad_buffer_wire(void);
void device_error(void);
void link_watch(void);
void no_stall(void);
void ring_bases(void);
void stale_descriptor(void);
void stall_rx(void);
void stall_tx(void);
void unplug(void);

/* ethdev_limits.c */
void scatter(void);
void tx_prepare(void);

/* ethdev_vdev.c */
void application_maps(void);
void vdev(void);

#endif /* ETHDEV_CALLS_H */
