/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * models_agree: records what software can see of an 82576, as a transcript of facts.
 *
 * The program is a driver that only examines the device. It uses two ports that are wired to each
 * other, a and b (assigned by the names of their devices), on any bus. Each case resets both ports,
 * sets up one receive queue at b and one transmit queue at a (or what the case needs), changes
 * registers and descriptors, and prints what it sees, one fact on each line:
 *
 *     subject.case.what: value
 *
 * models_agree.py compares the transcripts of two models of the device line by line. The facts
 * must therefore depend neither on time nor on addresses. A case waits for the event that it
 * expects. If it expects nothing, it sends a frame afterwards and waits for that one (ma_sync()).
 * Every wait has a limit, and the program ends if a wait fails.
 *
 * Organisation: main.c starts EAL, finds the two devices and runs the subjects; bench.c is the
 * bench: registers, rings, transmission and reception; frame.c makes frames. Each other file is a
 * subject, which consists of cases.
 *
 *     struct ma_port ma_a                  wire                  struct ma_port ma_b
 *       .bus   --> register access, configuration space, interrupts
 *       .mem   --> 1 MiB of EAL memory, whose bus address is .iova
 *                    rx[q].ring  MA_DESCS descriptors of receive queue q < MA_RX_QUEUES
 *                    tx[q].ring  MA_DESCS descriptors of transmit queue q < MA_TX_QUEUES
 *                    buffers     MA_BUF and MA_HDR_BUF bytes for each receive descriptor
 *                    arena       transmit buffers, which ma_txbuf() takes one after the other
 *       .got[ngot], received frames --> part[nparts]: write-back and data of a descriptor
 *
 * Ownership: the device owns the descriptors from the head up to, not including, the tail. The
 * bench copies a written-back descriptor with its buffers to .got, and hands the descriptor back to
 * the device at once, unless rxq.hold is set.
 *
 * Threads: one thread does everything; EAL has others, which call nothing here.
 *
 * The program shares the register map and the register access for each bus with the driver, and
 * none of its logic, so that a mistake of the driver does not recur here.
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
#define MA_DESCS     32   /* in each ring */
#define MA_BUF       2048 /* bytes of a receive buffer; SRRCTL may set less */
#define MA_HDR_BUF   1024
#define MA_PARTS     8  /* most descriptors of a received frame */
#define MA_FRAMES    40 /* received, and not examined yet */
#define MA_TIMEOUT_S 10

struct ma_part {
	union igb_rx_desc wb;
	uint8_t data[MA_BUF];
	uint8_t hdr[MA_HDR_BUF];
};

/* A received frame: the write-backs of its descriptors, and copies of their buffers. */
struct ma_got {
	unsigned int queue, nparts;
	struct ma_part part[MA_PARTS];
};

struct ma_rxq {
	bool open;
	uint32_t next; /* index of the descriptor that the device writes back next */
	uint32_t srrctl;
	volatile union igb_rx_desc *ring;
	bool hold; /* do not return descriptors to the device */
};

struct ma_txq {
	uint32_t next;
	volatile union igb_tx_desc *ring;
};

struct ma_port {
	const char *name; /* "a", "b" */
	struct igb_bus_dev bus;
	uint8_t mac[6]; /* assigned by the bench */
	uint8_t *mem;   /* rings and buffers; the bus address is iova */
	uint64_t iova;
	uint32_t arena; /* bytes used for transmit buffers */
	bool pcsd;      /* RXCSUM.PCSD: selects one of two forms of a write-back */
	struct ma_rxq rx[MA_RX_QUEUES];
	struct ma_txq tx[MA_TX_QUEUES];
	unsigned int ngot, nparts; /* nparts: parts of an incomplete frame */
	struct ma_got got[MA_FRAMES];
};

extern struct ma_port ma_a, ma_b;

/* main.c: the transcript. */

/**
 * Begin a case: facts get this name until the next call.
 *
 * @param name
 *   Name of the case, or "" for facts of the subject itself. The string must remain valid.
 */
void ma_case(const char *name);

/**
 * Print a fact.
 *
 * @param key
 *   Name of the fact within the case; must be unique there.
 * @param fmt
 *   Format string of the value, as for printf(3).
 */
void ma_fact(const char *key, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/**
 * Format a key.
 *
 * @param fmt
 *   Format string, as for printf(3); at most 95 characters result.
 * @return
 *   The key, in one of eight static buffers; the eighth call after this one overwrites it.
 */
const char *ma_key(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/**
 * Print an error message with subject and case, and end the program with status 1.
 *
 * @param fmt
 *   Format string, as for printf(3).
 */
void ma_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* bench.c: registers, and waiting for them. Every wait is limited to MA_TIMEOUT_S seconds. */

uint32_t ma_rd(const struct ma_port *p, uint32_t reg);
void ma_wr(const struct ma_port *p, uint32_t reg, uint32_t v);

/**
 * Wait until (register & mask) == v.
 *
 * @param p
 *   The port.
 * @param reg
 *   Offset of the register; reading it must have no side effect.
 * @param mask
 *   Bits to compare.
 * @param v
 *   Value to wait for.
 * @retval true
 *   The register has the value.
 * @retval false
 *   The time-out has expired.
 */
bool ma_wait_reg(const struct ma_port *p, uint32_t reg, uint32_t mask, uint32_t v);

/**
 * Wait until a word that the device writes to memory is v.
 *
 * @param p
 *   The word, in little-endian order.
 * @param v
 *   Value to wait for, in CPU order.
 * @retval true
 *   The word has the value.
 * @retval false
 *   The time-out has expired.
 */
bool ma_wait_memory(const volatile uint32_t *p, uint32_t v);

/* PHY registers through MDIC, and words of the NVM through EERD; a time-out ends the program. */
uint16_t ma_phy_read(const struct ma_port *p, unsigned int reg);
void ma_phy_write(const struct ma_port *p, unsigned int reg, uint16_t v);
uint16_t ma_nvm_read(const struct ma_port *p, unsigned int word);

/** Reset a port by CTRL.RST, mask all its interrupts, and forget its queues and frames. */
void ma_reset(struct ma_port *p);

/** Bring the link of a port up; the other end is also set up for that. */
void ma_link_up(struct ma_port *p);

/** Reserve the memory of a port; called once for each port. */
void ma_memory(struct ma_port *p);

/**
 * Begin a case on the bench: both ports are reset and have a link; queue 0 of a transmits and queue
 * 0 of b receives (and vice versa), enabled and empty; statistics are 0 and no cause is set; RXCSUM
 * is as drivers set it. The functions below extend this state.
 *
 * @param name
 *   Name of the case, as for ma_case().
 */
void ma_open(const char *name);

/* Advanced one-buffer descriptors, 2 KiB. */
#define MA_SRRCTL (IGB_SRRCTL_DESCTYPE_ADV_ONE | MA_BUF / 1024)
#define MA_RCTL   (IGB_RCTL_RXEN | IGB_RCTL_BAM | IGB_RCTL_SECRC)
#define MA_TCTL \
	(IGB_TCTL_EN | IGB_TCTL_PSP | 0xFu << IGB_TCTL_CT_SHIFT | 0x40u << 12 | IGB_TCTL_RTLC)

/** Enable receive queue q with SRRCTL set to srrctl, and give it MA_DESCS - 1 descriptors. */
void ma_rx_open(struct ma_port *p, unsigned int q, uint32_t srrctl);

/** Disable receive queue q; return false if the device does not confirm it in time. */
bool ma_rx_close(struct ma_port *p, unsigned int q);

/** Write RXCSUM, and record which form of a write-back it selects. */
void ma_rxcsum(struct ma_port *p, uint32_t v);

/** Enable receive queue q with SRRCTL set to srrctl, without descriptors. */
void ma_rx_setup(struct ma_port *p, unsigned int q, uint32_t srrctl);

/** Give the device n descriptors of queue q, counted from rx[q].next; at most MA_DESCS - 1. */
void ma_rx_give(struct ma_port *p, unsigned int q, uint32_t n);

/** Enable transmit queue q. */
void ma_tx_open(struct ma_port *p, unsigned int q);

/** Disable transmit queue q; return false if the device does not confirm it in time. */
bool ma_tx_close(struct ma_port *p, unsigned int q);

/** Set up transmit queue q without enabling it, for cases about that step. */
void ma_tx_setup(struct ma_port *p, unsigned int q);

/**
 * Copy data to memory that the device can read.
 *
 * @param p
 *   The port that is to send.
 * @param data
 *   The data.
 * @param len
 *   Length in bytes; the program ends if the arena has no room for them.
 * @return
 *   The bus address of the copy, which remains valid until the next reset.
 */
uint64_t ma_txbuf(struct ma_port *p, const void *data, uint32_t len);

/**
 * Post an advanced data descriptor, without the doorbell.
 *
 * @param p
 *   The port.
 * @param q
 *   The transmit queue.
 * @param addr
 *   Bus address of the buffer.
 * @param len
 *   Length of the buffer in bytes.
 * @param cmd
 *   Command bits, such as MA_LAST.
 * @param olinfo
 *   PAYLEN, POPTS and index of the context.
 * @return
 *   The index of the descriptor.
 */
uint32_t ma_tx_data(struct ma_port *p, unsigned int q, uint64_t addr, uint32_t len, uint32_t cmd,
		uint32_t olinfo);

/** Post a descriptor with these two quadwords, without the doorbell; return its index. */
uint32_t ma_tx_raw(struct ma_port *p, unsigned int q, uint64_t qw0, uint64_t qw1);

/** Ring the doorbell: hand all posted descriptors of queue q over to the device. */
void ma_tx_kick(struct ma_port *p, unsigned int q);

/** Wait for DD in a descriptor; return false if it is not set in time. */
bool ma_tx_done(struct ma_port *p, unsigned int q, uint32_t index);

#define MA_LAST (IGB_TXD_EOP | IGB_TXD_IFCS | IGB_TXD_RS)
struct ma_ctx {
	uint32_t idx, maclen, iplen, l4len, mss, tucmd, vlan;
};

/** Post a context descriptor, without the doorbell; return its index. */
uint32_t ma_tx_ctx(struct ma_port *p, unsigned int q, const struct ma_ctx *c);

/** Send a frame from queue 0 of a in one descriptor, with the doorbell. */
void ma_send(const void *data, uint32_t len);

/**
 * Send a sync frame and wait for it: everything that `from` has sent before has then arrived at
 * `to`, or has been dropped. The program ends if the sync frame does not arrive.
 *
 * @param from
 *   The port that sends, from its queue 0.
 * @param to
 *   The port that receives; it may be the same one in a loopback.
 */
void ma_sync_between(struct ma_port *from, struct ma_port *to);

/** ma_sync_between() from a to b. */
void ma_sync(void);

/** The same if nothing can arrive at b: wait for a while, then for a frame from b to a. */
void ma_settle(void);

/** Take all descriptors that were written back; return whether there were any. */
bool ma_rx_poll(struct ma_port *p);

/** Print the facts of the received frames, KEY.N.what, and discard the frames. */
void ma_frames(struct ma_port *p, const char *key);

/** Call ma_sync(), then print the facts of the frames that b received. */
void ma_received(const char *key);

/* frame.c */
struct ma_frame {
	uint8_t b[10240];
	uint32_t len, l3, l4, payload; /* l3, l4, payload: offsets; 0: none */
};

struct ma_spec {
	const uint8_t *da; /* NULL: the address of b */
	unsigned int tags; /* 0; 1: tci; 2: outer, then tci */
	uint16_t tci, outer;
	uint16_t ethertype; /* 0: the one of ip */
	unsigned int ip;    /* 0, 4, 6 */
	uint8_t proto;      /* 6, 17, 132; others have no header */
	uint32_t paylen;
	unsigned int opts; /* bytes of IPv4 options; of TCP options: tcp_opts */
	unsigned int tcp_opts;
	bool hopopts, fragment; /* hopopts: IPv6 only; fragment: IPv4 and IPv6 */
	uint16_t frag_off;      /* in the format of the IPv4 field, with the flags */
	bool bad_ip, bad_l4, no_udp_csum;
	const uint8_t *src, *dst; /* IP addresses; NULL: default ones */
	uint16_t sport, dport;
	uint8_t tcp_flags;
};

/** Make a frame from a to b, without FCS. */
void ma_build(struct ma_frame *f, const struct ma_spec *s);

/**
 * Replace the layer-4 checksum by the sum of the pseudo-header, as drivers do for offloads.
 *
 * @param f
 *   The frame.
 * @param s
 *   The specification that it was made from.
 * @param with_len
 *   Whether the sum includes the length: true for checksum offload, false for segmentation.
 */
void ma_pseudo(struct ma_frame *f, const struct ma_spec *s, bool with_len);

/** Return the CRC-32 of IEEE 802.3. */
uint32_t ma_crc32(const uint8_t *p, size_t len);

/* The subjects, one in each file. ma_regs_first() must run before anything is written. */
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
