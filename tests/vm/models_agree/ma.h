/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * models_agree: what software can see of an 82576, written down.
 *
 * Two ports that are wired to each other, a and b (by their devices' names), on whatever bus. The
 * program is a driver that does nothing but ask: each case resets both, makes one receive queue at
 * b and one transmit queue at a (or what it says), does something to registers and descriptors,
 * and prints what it saw, one fact a line:
 *
 *     subject.case.what: value
 *
 * The facts of two models of the device can then be compared line by line. For that they must not
 * depend on time, nor on addresses: a case waits for what it expects, or, where it expects nothing,
 * for a frame that it sends behind (ma_sync()); every wait ends, and then the program does, too.
 *
 * It shares the register map and the buses' access with the driver, and none of its logic.
 */

#ifndef MA_H
#define MA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "igb_bus.h"
#include "igb_regs.h"

#define MA_RX_QUEUES 4
#define MA_TX_QUEUES 2
#define MA_DESCS     32   /* of each ring */
#define MA_BUF       2048 /* room of a receive buffer; SRRCTL may say less */
#define MA_HDR_BUF   1024
#define MA_PARTS     8    /* descriptors of a received frame, at most */
#define MA_FRAMES    40   /* received and not yet looked at */
#define MA_TIMEOUT_S 10

struct ma_part {
	union igb_rx_desc wb;
	uint8_t data[MA_BUF];
	uint8_t hdr[MA_HDR_BUF];
};

/* A received frame: its descriptors' write-backs, and their buffers as they were then. */
struct ma_got {
	unsigned int queue, nparts;
	struct ma_part part[MA_PARTS];
};

struct ma_rxq {
	bool open;
	uint32_t next; /* descriptor that the device is to write back next */
	uint32_t srrctl;
	volatile union igb_rx_desc *ring;
	bool hold; /* do not give descriptors back */
};

struct ma_txq {
	uint32_t next;
	volatile union igb_tx_desc *ring;
};

struct ma_port {
	const char *name; /* "a", "b" */
	struct igb_bus_dev bus;
	uint8_t mac[6]; /* that the bench gives it */
	uint8_t *mem;   /* rings and buffers; the device's address of it: */
	uint64_t iova;
	uint32_t arena; /* transmit buffers used */
	bool pcsd;      /* RXCSUM's: which of two forms a write-back has */
	struct ma_rxq rx[MA_RX_QUEUES];
	struct ma_txq tx[MA_TX_QUEUES];
	unsigned int ngot, nparts; /* nparts: of a frame that is not complete */
	struct ma_got got[MA_FRAMES];
};

extern struct ma_port ma_a, ma_b;

/* main.c: the transcript. Keys may be made with ma_key(); it has a few to give at a time. */
void ma_case(const char *name);
void ma_fact(const char *key, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *ma_key(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void ma_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* bench.c: registers, and waiting for them. */
uint32_t ma_rd(const struct ma_port *p, uint32_t reg);
void ma_wr(const struct ma_port *p, uint32_t reg, uint32_t v);
/* True once (register & mask) == v, false after a while; reading must have no side effect. */
bool ma_wait_reg(const struct ma_port *p, uint32_t reg, uint32_t mask, uint32_t v);
/* The same of a word that the device writes. */
bool ma_wait_memory(const volatile uint32_t *p, uint32_t v);
uint16_t ma_phy_read(const struct ma_port *p, unsigned int reg);
void ma_phy_write(const struct ma_port *p, unsigned int reg, uint16_t v);
uint16_t ma_nvm_read(const struct ma_port *p, unsigned int word);
void ma_reset(struct ma_port *p);
void ma_link_up(struct ma_port *p);
void ma_memory(struct ma_port *p);

/*
 * The bench: both ports reset and linked, queue 0 for sending at a and for receiving at b, on and
 * empty; nothing in the statistics, no cause set; RXCSUM as drivers have it. The next ones add to it.
 */
void ma_open(const char *name);

/* Advanced one-buffer descriptors, 2 KiB */
#define MA_SRRCTL (IGB_SRRCTL_DESCTYPE_ADV_ONE | MA_BUF / 1024)
#define MA_RCTL   (IGB_RCTL_RXEN | IGB_RCTL_BAM | IGB_RCTL_SECRC)
#define MA_TCTL \
	(IGB_TCTL_EN | IGB_TCTL_PSP | 0xFu << IGB_TCTL_CT_SHIFT | 0x40u << 12 | IGB_TCTL_RTLC)
void ma_rx_open(struct ma_port *p, unsigned int q, uint32_t srrctl);
bool ma_rx_close(struct ma_port *p, unsigned int q);
void ma_rxcsum(struct ma_port *p, uint32_t v);
/* Gives the device `n` descriptors (MA_DESCS - 1 at most) of a queue opened with none. */
void ma_rx_setup(struct ma_port *p, unsigned int q, uint32_t srrctl);
void ma_rx_give(struct ma_port *p, unsigned int q, uint32_t n);
void ma_tx_open(struct ma_port *p, unsigned int q);
bool ma_tx_close(struct ma_port *p, unsigned int q);
/* The same, one step at a time, for cases about these steps. */
void ma_tx_setup(struct ma_port *p, unsigned int q);

/* Copies to memory that the device can read; returns the device's address. */
uint64_t ma_txbuf(struct ma_port *p, const void *data, uint32_t len);
/* Posts descriptors, without the doorbell; they return the descriptor's index. */
uint32_t ma_tx_data(struct ma_port *p, unsigned int q, uint64_t addr, uint32_t len, uint32_t cmd,
	uint32_t olinfo);
uint32_t ma_tx_raw(struct ma_port *p, unsigned int q, uint64_t qw0, uint64_t qw1);
void ma_tx_kick(struct ma_port *p, unsigned int q);
bool ma_tx_done(struct ma_port *p, unsigned int q, uint32_t index);

#define MA_LAST (IGB_TXD_EOP | IGB_TXD_IFCS | IGB_TXD_RS)
struct ma_ctx {
	uint32_t idx, maclen, iplen, l4len, mss, tucmd, vlan;
};
uint32_t ma_tx_ctx(struct ma_port *p, unsigned int q, const struct ma_ctx *c);

/* A frame from a's queue 0 in one descriptor, doorbell included. */
void ma_send(const void *data, uint32_t len);
/* Everything that `from` has sent before has now arrived at `to`, or has been dropped. */
void ma_sync_between(struct ma_port *from, struct ma_port *to);
void ma_sync(void);
/* The same where nothing can arrive at b: a frame goes the other way round, after a while. */
void ma_settle(void);
/* Takes what has been written back; true if that was anything. */
bool ma_rx_poll(struct ma_port *p);
/* The received frames' facts, KEY.N.what, after which they are forgotten. */
void ma_frames(struct ma_port *p, const char *key);
/* ma_sync(), then the facts of what b received. */
void ma_received(const char *key);

/* frame.c */
struct ma_frame {
	uint8_t b[10240];
	uint32_t len, l3, l4, payload; /* offsets; 0: none */
};

struct ma_spec {
	const uint8_t *da; /* NULL: b's */
	unsigned int tags; /* 0, 1: with tci, 2: with outer around it */
	uint16_t tci, outer;
	uint16_t ethertype; /* 0: of ip */
	unsigned int ip;    /* 0, 4, 6 */
	uint8_t proto;      /* 6, 17, 132, or another without a header */
	uint32_t paylen;
	unsigned int opts; /* bytes of IPv4 or TCP options, below */
	unsigned int tcp_opts;
	bool hopopts, fragment; /* IPv6 headers; fragment of either */
	uint16_t frag_off;      /* IPv4: the whole field */
	bool bad_ip, bad_l4, no_udp_csum;
	const uint8_t *src, *dst; /* of ip; NULL: some */
	uint16_t sport, dport;
	uint8_t tcp_flags;
};

void ma_build(struct ma_frame *f, const struct ma_spec *s);
/* For offloads: the layer-4 checksum field holds the pseudo-header's sum, with the length or not. */
void ma_pseudo(struct ma_frame *f, const struct ma_spec *s, bool with_len);
uint32_t ma_crc32(const uint8_t *p, size_t len);

/* The subjects */
void ma_pci(void);
void ma_regs_first(void);
void ma_regs(void);
void ma_nvm_phy(void);
void ma_stats(void);
void ma_tx(void);
void ma_tso(void);
void ma_rx(void);
void ma_split(void);
void ma_filter(void);
void ma_rss(void);
void ma_queue(void);
void ma_intr(void);
void ma_loop(void);

#endif /* MA_H */
