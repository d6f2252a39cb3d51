/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Data that the files of the server share, and the owner of each part. The theory is in
 * vfio_user.h.
 *
 * Threads:
 *
 *   control thread    the only writer of the DMA table and the interrupt wiring; makes and ends
 *                     connections, calls the ops
 *   polling threads   belong to the owner of the device; RCU readers of table and wiring
 *                     (vfu_rcu.h)
 *   DMA thread        accesses memory without a file descriptor (server_async.c); an RCU reader,
 *                     offline while it waits for the client
 *   closers           close foreign descriptors (foreign_fd.h), of the client or of those that the
 *                     server refuses; touch nothing else
 *   any thread        vfu_server_drop_client(), statistics
 *
 * The reader. The thread that waits for something from the socket reads it (the reader, struct
 * vfu_conn.reading): the control thread while it waits for a command, the DMA thread while it waits
 * for the reply to its DMA_READ or DMA_WRITE. The reader puts commands into the queue of the
 * control thread, and hands replies to their requests. So the DMA thread never depends on the
 * control thread, which may be waiting for it.
 *
 *    socket --> reader: vfu_rx_step() --> dispatch() --command--> conn->queue    --> control thread
 *                                                    --reply----> conn->requests --> DMA thread
 *
 * A comment that names a thread at a member means that only this thread uses the member. "RCU"
 * means that the control thread writes the member and that RCU readers read it.
 */

#ifndef VFU_SERVER_PRIV_H
#define VFU_SERVER_PRIV_H

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "deadline.h"
#include "vfu_listener.h"
#include "msg.h"
#include "pending.h"
#include "vfu_rcu.h"
#include "vfu_server.h"

#define VFU_SEND_MS      1000 /* to send a reply; beyond it the client is dropped */
#define VFU_HANDSHAKE_MS 5000 /* for VERSION after connecting */
#define VFU_MESSAGE_MS   5000 /* for the rest of a message, once a part of it has come */
#define VFU_DMA_MS       200  /* default of desc.dma_timeout_ms */
#define VFU_READER_MS    20   /* wait of the control thread while the DMA thread is the reader */
#define VFU_DMA_CHUNK    65536u

/* Limits of the commands that wait for the control thread, which the DMA thread may have read. */
#define VFU_QUEUE_MSGS  4096u
#define VFU_QUEUE_BYTES (8u * 1024 * 1024)
#define VFU_QUEUE_FDS   256u

/* Defaults of struct vfu_limits. A process has 65,530 mappings by default (vm.max_map_count). */
#define VFU_DEFAULT_MAPS 57344u
#define VFU_DEFAULT_FDS  1024u
#define VFU_DEFAULT_MEM  (UINT64_C(1) << 42)
#define VFU_MAX_VECTORS  2048u

struct vfu_conn {
	int sock;
	bool versioned;              /* control thread */
	uint64_t handshake_deadline; /* control thread */
	atomic_uint reports;         /* lines logged about this client */
	uint32_t max_dma_xfer;       /* bytes in one DMA_READ or DMA_WRITE */
	bool io_page_table;          /* control thread: the client negotiated the extension */
	int queue_pages;             /* control thread: file of the device; -1: not negotiated */

	pthread_mutex_t lock; /* protects all below, up to tx_lock */
	pthread_cond_t cond;  /* a change of dead, reading, the replies or the queue */
	bool reading;         /* a thread is the reader, and owns rx */
	atomic_bool dead;     /* written under lock */
	char why[VFU_ERR_LEN];
	struct vfu_pending_list requests; /* of the DMA thread */
	struct vfu_msg *queue, **queue_tail;
	unsigned int nr_queued;
	size_t queued_bytes;
	unsigned int queued_fds;

	struct vfu_rx rx;        /* reader */
	uint64_t rx_deadline;    /* reader: for the message that has begun; 0: none */
	pthread_mutex_t tx_lock; /* protects the sending direction: one message at a time */
};

/* A client that connected while another one is served, until its first message has come. */
struct vfu_refusal {
	int sock; /* -1: none */
	uint64_t deadline;
	struct vfu_rx rx;
};

#define VFU_REFUSALS 4u

/* A part of a file of the client, mapped in this process: whole pages of the file. */
struct vfu_window {
	struct vfu_window *next;
	uint8_t *base;
	uint64_t dev, ino; /* the file, which exists as long as it is mapped */
	uint64_t offset;   /* in the file, bytes */
	uint64_t len;
	uint64_t page; /* page size of the file, bytes */
	int prot;      /* as for mmap() */
	uint32_t refs; /* ranges inside it */
};

/* The part of a file that a DMA_MAP names. */
struct vfu_file_range {
	int fd;
	uint64_t offset, size; /* bytes */
	uint32_t prot;         /* VFU_DMA_READ, VFU_DMA_WRITE */
};

#define VFU_WINDOW_BUCKETS 1024u

/* One range of client memory. */
struct vfu_map {
	uint64_t iova;
	uint64_t last;             /* inclusive: a range may end at 2^64 - 1 */
	uint8_t *vaddr;            /* address of iova; NULL: no file descriptor, by message only */
	struct vfu_window *window; /* contains vaddr */
	uint8_t prot;
};

#define VFU_LEAF_MAPS 256u

struct vfu_dma_leaf {
	uint32_t refs; /* control thread: tables that contain it */
	uint32_t nr;   /* never 0 */
	struct vfu_map maps[];
};

/*
 * The DMA table: sorted by iova, without overlaps, never changed after it is published. It includes
 * the I/O page table, so that a thread which finds one also finds the other.
 */
struct vfu_dma_table {
	_Atomic(struct vfu_dma_table *) older; /* see server_table.c */
	const _Atomic uint64_t *ptes;          /* client memory; NULL: there is no page table */
	uint64_t base, nr_ptes;
	uint32_t nr; /* ranges */
	uint32_t nr_leaves;
	uint32_t nr_messages; /* ranges without a file descriptor */
	bool plain;           /* no page table, no such range here or in the table before */
	uint64_t epoch;       /* number of the table, from 1 on; 0: never published */
	struct {
		uint64_t last; /* of the last range of the leaf */
		struct vfu_dma_leaf *leaf;
	} leaves[];
};

struct vfu_irqs {
	uint32_t count;
	atomic_int *fds; /* RCU: by vector; -1: not wired */
	atomic_bool *masked;
	atomic_bool *pending; /* raised while masked; for messages only */
	uint32_t first;       /* bit of vector 0 in the sets of struct vfu_async */
	/*
	 * INTx is a level, not a message. Signalling it masks it, and the server does not remember
	 * a raise while it is masked. After an unmask, the device raises it again if the cause is
	 * still present.
	 */
	bool level;
	int unmask_fd; /* control thread: eventfd of the client that unmasks; -1: none */
};

/* The state of a split read (server_async.c). The caller of vfu_dma_read() owns the slot. */
enum vfu_slot_state {
	VFU_SLOT_FREE,
	VFU_SLOT_IN_FLIGHT, /* owned by the DMA thread */
	VFU_SLOT_DONE,
};

struct vfu_slot {
	_Atomic enum vfu_slot_state state; /* vfu_async.lock protects the rest */
	bool cancelled;
	uint64_t iova;
	size_t len;
	uint8_t *data;
	int ret;
	struct vfu_dma_fault fault;
};

#define VFU_IRQ_USUAL_NS 20000 /* an interrupt takes about 1 us; longer: its waiters are many */

struct vfu_access;

struct vfu_async {
	pthread_mutex_t lock; /* no thread waits for anything while it holds the lock */
	pthread_cond_t work, progress;
	pthread_t thread;
	atomic_bool started;
	bool stop;
	struct vfu_access *first, **end;
	uint64_t queued, done;       /* accesses and interrupts since the server started */
	_Atomic size_t bytes;        /* of queued writes */
	_Atomic unsigned int posted; /* writes and interrupts in flight */
	uint64_t *irqs;   /* raised after the last access in the queue: a bit for each vector */
	size_t irqs_size; /* bytes of such a set */
	uint64_t rest_ns; /* that the DMA thread owes after interrupts that took long */
	struct vfu_slot slots[VFU_DMA_SLOTS];
};

struct vfu_server {
	struct vfu_server_desc desc;
	struct vfu_server_ops ops;
	void *opaque;
	struct vfu_listener listener;
	int wake_fd; /* eventfd: wakes the control thread */
	pthread_t thread;
	uint8_t *out; /* control thread: payload of the reply under construction */

	atomic_bool stop;
	atomic_bool drop; /* drop_why is set */
	pthread_mutex_t drop_lock;
	char drop_why[VFU_ERR_LEN];

	_Atomic(struct vfu_conn *) conn; /* RCU; written by the control thread */
	bool attached;
	struct vfu_refusal refusals[VFU_REFUSALS]; /* control thread */
	unsigned int next_refusal; /* control thread: index of the next one to use */

	_Atomic(struct vfu_dma_table *) table; /* RCU; never NULL */
	atomic_bool poisoned;                  /* next to table, because each access reads both */
	struct vfu_dma_table *empty[2];    /* for the removal of all mappings, without allocation */
	struct vfu_dma_table *dead_tables; /* freed after the next grace period */
	struct vfu_window *dead_windows;   /* freed after the next grace period */
	struct vfu_window *windows[VFU_WINDOW_BUCKETS];
	unsigned int nr_retired; /* replaced tables linked behind the current one */
	uint64_t dma_size;
	uint32_t nr_maps;      /* windows and the page table; at most desc.limits.max_maps */
	uint64_t mapped;       /* bytes of these except hugetlbfs: at most desc.limits.max_mem */
	char why[VFU_ERR_LEN]; /* control thread: the reason that vfu_why() formatted */
	atomic_int peer;       /* process that connected last; 0: not known */

	struct vfu_async async;

	struct vfu_irqs irqs[VFU_SRV_IRQS];
	_Atomic uint64_t irq_suspect; /* ns, CLOCK_MONOTONIC: exact measurement until then */
	_Atomic uint64_t irq_seen;    /* when the debt was computed last */
	_Atomic uint64_t irq_debt;    /* ns that this client's interrupts exceeded the usual time */
	unsigned long aio;            /* the aio_context_t of the kernel; signals eventfds */
	struct vfu_closer *closer;    /* for the socket of the client, and descriptors from it */
	struct vfu_closer *refused;   /* the same for clients that are refused */
	_Atomic uint64_t closers_deadline; /* of both at the end; vfu_server_end() sets it */
	int null_fd;
	int unmask_epoll; /* watches the unmask_fd of INTx */

	struct {
		_Atomic uint64_t clients, messages, bad_messages, dma_faults, dma_maps, dma_bytes,
				ptes;
		_Atomic bool client;
	} stats;
};

/* server_conn.c */
struct vfu_conn *vfu_conn_new(int sock, struct vfu_closer *closer);
void vfu_conn_free(struct vfu_conn *conn);
/* End the connection; the first reason counts. Any thread that may use conn. */
void vfu_conn_kill(struct vfu_conn *conn, const char *why);
/*
 * Take the first command from the queue; if there is none, become the reader. Control thread.
 * @param msg  [out] the command, owned by the caller; NULL: there is none
 * @return true: this thread is the reader until vfu_conn_end_reading(); false: it is not. If there
 *   is no command either, the connection is dead, or the DMA thread was the reader for the
 *   VFU_READER_MS that the call has waited
 */
bool vfu_conn_begin_reading(struct vfu_conn *conn, struct vfu_msg **msg);
/*
 * Receive a message if the socket is readable, check the deadline for the rest of a message, and
 * hand back the role of the reader. Control thread.
 */
void vfu_conn_end_reading(struct vfu_server *s, struct vfu_conn *conn, bool readable);
/* Send a message. A client that does not read it in time is dropped. */
int vfu_conn_send(struct vfu_conn *conn, struct vfu_out *out, uint64_t deadline_ms);
/*
 * Send a request of the server and wait for the reply. Called by the DMA thread, offline for RCU.
 * @param out    the message, whose number the call fills in
 * @param reply  [out] the reply; the caller frees it by vfu_msg_free()
 * @return 0 or a negative errno value
 */
int vfu_conn_request(struct vfu_server *s, struct vfu_conn *conn, struct vfu_out *out,
		uint64_t deadline_ms, struct vfu_msg **reply);
/*
 * Report one line about a refused message or access of the client, if there is one, to the owner of
 * the device. Control thread, or an RCU reader.
 */
void vfu_conn_report(struct vfu_server *s, const char *fmt, ...)
		__attribute__((format(printf, 2, 3)));
/* Format a reason with numbers in it. Control thread; valid until the next call. */
const char *vfu_why(struct vfu_server *s, const char *fmt, ...)
		__attribute__((format(printf, 2, 3)));

/* server_commands.c; control thread. Carry out a command and reply. Consumes the message. */
void vfu_command_handle(struct vfu_server *s, struct vfu_msg *msg);

/* server_table.c; control thread */
int vfu_dma_init(struct vfu_server *s);
void vfu_dma_fini(struct vfu_server *s);
int vfu_dma_map(struct vfu_server *s, const struct vfio_user_dma_map *m, int fd, const char **why);
/* Remove all mappings in [addr, addr + *size). *size becomes the number of bytes that they had. */
int vfu_dma_unmap(struct vfu_server *s, uint64_t addr, uint64_t *size, const char **why);
void vfu_dma_unmap_all(struct vfu_server *s);
int vfu_dma_set_page_table(struct vfu_server *s, const struct vfio_user_io_page_table *req, int fd,
		const char **why);
/* Remove all mappings and the page table. */
void vfu_dma_forget_client(struct vfu_server *s);

/*
 * server_window.c; control thread. Charge each mapping of client memory before it is made, and
 * credit it after it was unmapped.
 * @return 0; or -ENOSPC, and in why the limit that the client has reached
 */
int vfu_maps_charge(struct vfu_server *s, uint64_t bytes, const char **why);
void vfu_maps_credit(struct vfu_server *s, uint64_t bytes);
/* Unmap in steps, between which other threads get their turn. */
void vfu_unmap(void *at, uint64_t len);
/*
 * Map a part of a file, or take a reference on the window that maps it.
 * @return 0; or a negative errno value, and the reason in why
 */
int vfu_window_get(struct vfu_server *s, const struct vfu_file_range *range,
		struct vfu_window **window, const char **why);
/* Release the window for one range. Call it when no thread uses the window for that range. */
void vfu_window_put(struct vfu_server *s, struct vfu_window *window);

/*
 * server_dma.c; any RCU reader. Find the position of the first range that ends at or after iova.
 * @return false: there is no such range
 */
bool vfu_table_find(const struct vfu_dma_table *t, uint64_t iova, uint32_t *leaf, uint32_t *slot);
/* Count a fault, and make it the last one of this thread. @return -EFAULT */
int vfu_dma_count_fault(struct vfu_server *s, uint64_t iova, uint32_t prot, enum vfu_dma_why why);
/* Make a fault that was counted before the last one of this thread. */
void vfu_dma_set_last_fault(const struct vfu_dma_fault *fault);
enum vfu_dma_how {
	VFU_DMA_DIRECT,   /* by pointers; -EAGAIN where a message is needed */
	VFU_DMA_CHECK,    /* copy nothing, only find out whether the access faults */
	VFU_DMA_MESSAGES, /* DMA thread: wait for the client where a message is needed */
};
/*
 * Copy to buf, or from data; the other is NULL.
 * @return 0, -EAGAIN, or -EFAULT with the fault in vfu_dma_last_fault()
 */
int vfu_dma_access(struct vfu_server *s, uint64_t iova, uint8_t *buf, const uint8_t *data,
		size_t len, enum vfu_dma_how how);

/* server_async.c */
int vfu_async_init(struct vfu_server *s);
void vfu_async_fini(struct vfu_server *s);
/* Start the DMA thread, unless it runs. Control thread. */
int vfu_async_start(struct vfu_server *s);
/* Discard what is queued, and wait until nothing is in flight. Control thread. */
void vfu_async_forget_client(struct vfu_server *s);
/*
 * Any RCU reader.
 * @return 0, -EAGAIN, or another negative errno value; -EFAULT with the fault in
 *   vfu_dma_last_fault()
 */
int vfu_async_read(struct vfu_server *s, unsigned int slot, uint64_t iova, void *buf, size_t len);
int vfu_async_write(struct vfu_server *s, uint64_t iova, const void *data, size_t len);
/* Queue an interrupt. Never fails. */
void vfu_async_irq(struct vfu_server *s, unsigned int index, unsigned int vector);
/* Report whether accesses and interrupts must go through the queue. */
static inline bool
vfu_async_posted(const struct vfu_server *s)
{
	return atomic_load_explicit(&s->async.posted, memory_order_acquire) != 0;
}

/* server_irq.c; control thread, except where another one is named */
int vfu_irq_init(struct vfu_server *s);
/*
 * Release what signals eventfds, after all vectors have been unwired. Call it without RCU, because
 * the kernel takes tens of milliseconds: control threads that end concurrently wait concurrently.
 */
void vfu_irq_end(struct vfu_server *s);
/* Free the rest; the thread that frees the server. */
void vfu_irq_fini(struct vfu_server *s);
/* Raise an interrupt, if the vector is wired. Any RCU reader. @return whether it is wired */
bool vfu_irq_raise(struct vfu_server *s, struct vfu_irqs *irqs, uint32_t vector);
/* Unmask a vector, and send a message that was raised while it was masked. */
void vfu_irq_unmask(struct vfu_server *s, struct vfu_irqs *irqs, uint32_t vector);
/*
 * Replace the descriptors of vectors start to start + count - 1. Takes the descriptors in fds and
 * puts -1 there; NULL: unwire the vectors.
 * @return 0 or -ENOMEM
 */
int vfu_irq_wire(struct vfu_server *s, struct vfu_irqs *irqs, uint32_t start, uint32_t count,
		int *fds);
void vfu_irq_unwire_all(struct vfu_server *s);
/* Replace the eventfd by which the client unmasks INTx (-1: none). Takes the descriptor. */
int vfu_irq_set_unmask_fd(struct vfu_server *s, int fd);
/* Consume an event of that eventfd. Never waits. @return whether there was one */
bool vfu_irq_take_unmask(struct vfu_server *s);
/* Unmask INTx, and let the device raise it again. */
void vfu_irq_unmask_intx(struct vfu_server *s);

/* server_set_irqs.c; control thread */
/*
 * Carry out DEVICE_SET_IRQS, whose least payload was checked. Takes the descriptors that it uses.
 * @return 0; or a negative errno value, and the reason in why
 */
int vfu_irq_set(struct vfu_server *s, struct vfu_msg *msg, const char **why);

/* server_refuse.c; control thread */
void vfu_refuse_init(struct vfu_server *s);
void vfu_refuse_fini(struct vfu_server *s);
/* Take over the socket. */
void vfu_refuse_add(struct vfu_server *s, int sock);
/* Fill in VFU_REFUSALS entries for poll(). @return the timeout (-1: none), shortened if needed */
int vfu_refuse_prepare(const struct vfu_server *s, struct pollfd *pfds, int timeout);
/* Handle what poll() found in these entries. */
void vfu_refuse_work(struct vfu_server *s, const struct pollfd *pfds);

/* sigbus.c */
int vfu_sigbus_add(struct vfu_server *s);
void vfu_sigbus_remove(struct vfu_server *s);
/*
 * initial-exec: storage that is allocated on first use could be allocated inside a signal handler.
 */
extern __thread const struct vfu_server *vfu_sigbus_touches
		__attribute__((tls_model("initial-exec")));
/* From now on the calling thread touches client memory, next that of this server. */
static inline void
vfu_sigbus_mark_thread(const struct vfu_server *s)
{
	vfu_sigbus_touches = s;
}

#endif /* VFU_SERVER_PRIV_H */
