/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * What the server's files share.
 *
 * Threads and what protects what:
 *
 *   control thread    the only one that writes the DMA table and the interrupt
 *                     wiring, makes and ends connections, calls the ops
 *   polling threads   the owner's; RCU readers of table and wiring (vfu_rcu.h)
 *   DMA thread        accesses to memory without a file descriptor (server_async.c); an RCU
 *                     reader, offline while it waits for the client
 *   any thread        vfu_server_drop_client(), statistics
 *
 * The socket is read by whoever waits for something from it ("the reader",
 * struct vfu_conn.reading): the control thread when it waits for a command, the
 * DMA thread when it waits for the reply to its DMA_READ. The reader hands
 * what it meets to whom it belongs: commands to the control thread's queue,
 * replies to their waiters. So the DMA thread never depends on the control
 * thread, which may be waiting for it.
 */

#ifndef VFU_SERVER_PRIV_H
#define VFU_SERVER_PRIV_H

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "msg.h"
#include "vfu_rcu.h"
#include "vfu_server.h"

#define VFU_SEND_MS      1000 /* for a reply: a client that does not read for so long is dropped */
#define VFU_HANDSHAKE_MS 5000 /* for VERSION after connecting */
#define VFU_MESSAGE_MS   5000 /* for the rest of a message, once a part of it is here */
#define VFU_DMA_MS       200  /* for DMA_READ or DMA_WRITE and the reply, if desc says nothing */
#define VFU_DMA_CHUNK    65536u

/* Commands that wait for the control thread while a polling thread reads. */
#define VFU_QUEUE_MSGS   4096u
#define VFU_QUEUE_BYTES  (8u * 1024 * 1024)
#define VFU_QUEUE_FDS    256u

/* Defaults of struct vfu_limits. The kernel gives a process 65,530 mappings (vm.max_map_count). */
#define VFU_DEFAULT_MAPS 57344u
#define VFU_DEFAULT_FDS  1024u
#define VFU_DEFAULT_MEM  (UINT64_C(1) << 42)
#define VFU_MAX_VECTORS  2048u

/* A waiter for a reply to a request of the server's own; on the waiter's stack. */
struct vfu_wait {
	struct vfu_wait *next;
	uint16_t id;
	struct vfu_msg *reply; /* set when it has come */
};

struct vfu_conn {
	int sock;
	bool versioned;              /* control thread */
	uint64_t handshake_deadline; /* control thread */
	atomic_uint complaints;      /* lines written about this client */
	uint32_t max_dma_xfer;       /* bytes in one DMA_READ or DMA_WRITE */
	bool io_page_table;          /* control thread: the extension was negotiated */
	int queue_pages;             /* control thread: the device's file; -1: not negotiated */

	pthread_mutex_t lock;        /* all below, up to tx_lock */
	pthread_cond_t cond;         /* dead, reading, a reply, the queue: something changed */
	bool reading;                /* somebody owns rx */
	atomic_bool dead;            /* written under lock */
	char why[VFU_ERR_LEN];
	uint16_t next_id;
	struct vfu_wait *waits;
	struct vfu_msg *queue, **queue_tail;
	unsigned int nr_queued;
	size_t queued_bytes;
	unsigned int queued_fds;

	struct vfu_rx rx;            /* the reader's */
	uint64_t rx_deadline;        /* the reader's: for the message that has begun; 0: none has */
	pthread_mutex_t tx_lock;     /* one message at a time on the socket */
};

/* A client that connected while another one is served, until its first message is here. */
struct vfu_refusal {
	int sock;               /* -1: none */
	uint64_t deadline;
	struct vfu_rx rx;
};

#define VFU_REFUSALS 4u

/* A part of a file of the client's, mapped here: whole pages of what backs it. */
struct vfu_window {
	struct vfu_window *next;
	uint8_t *base;
	uint64_t dev, ino;  /* the file, which lives as long as it is mapped */
	uint64_t offset;    /* in it */
	uint64_t len;
	uint64_t page;      /* bytes of a page of the file */
	int prot;           /* mmap()'s */
	uint32_t refs;      /* ranges that lie in it */
};

#define VFU_WINDOW_BUCKETS 1024u

/* One range of the client's memory. */
struct vfu_map {
	uint64_t iova;
	uint64_t last;      /* inclusive: a range may end at 2^64 - 1 */
	uint8_t *vaddr;     /* of iova; NULL: no file descriptor, by message only */
	struct vfu_window *window; /* which vaddr lies in */
	uint8_t prot;
};

#define VFU_LEAF_MAPS 256u

struct vfu_dma_leaf {
	uint32_t refs;      /* tables that have it; the control thread's */
	uint32_t nr;        /* never 0 */
	struct vfu_map maps[];
};

/*
 * The DMA table: sorted by iova, without overlaps, never changed once published. With it the
 * I/O page table, so that a thread which finds the one finds the other.
 */
struct vfu_dma_table {
	struct vfu_dma_table *older; /* see server_table.c */
	const uint64_t *ptes;        /* the client's memory; NULL: there is no page table */
	uint64_t base, nr_ptes;
	uint32_t nr;                 /* ranges */
	uint32_t nr_leaves;
	uint32_t nr_messages;        /* ranges without a file descriptor */
	bool plain;                  /* no page table, and no such range */
	struct {
		uint64_t last;       /* of its last range */
		struct vfu_dma_leaf *leaf;
	} leaves[];
};

struct vfu_irqs {
	uint32_t count;
	int *fds;               /* per vector, -1: not wired; RCU */
	atomic_bool *masked;
	atomic_bool *pending;   /* raised while masked; of messages only */
	uint64_t *queued;       /* in the DMA thread's queue, behind so many writes; 0: no; its lock */
	/*
	 * INTx is a level, not a message: signalling it masks it, and what was raised while it was
	 * masked is not remembered. When it is unmasked, the device raises it again if the cause
	 * is still there.
	 */
	bool level;
	int unmask_fd;          /* control thread: the client's eventfd that unmasks; -1: none */
};

/* The data that a read was split from (server_async.c); the caller of vfu_dma_read() owns it. */
enum vfu_slot_state {
	VFU_SLOT_FREE,
	VFU_SLOT_ASKED, /* the DMA thread's turn */
	VFU_SLOT_DONE,
};

struct vfu_slot {
	_Atomic enum vfu_slot_state state; /* the rest under vfu_async.lock */
	bool cancelled;
	uint64_t iova;
	size_t len;
	uint8_t *data;
	int ret;
	struct vfu_dma_fault fault;
};

struct vfu_access;

struct vfu_async {
	pthread_mutex_t lock; /* nobody who holds it waits for anything */
	pthread_cond_t work, progress;
	pthread_t thread;
	atomic_bool started;
	bool stop;
	struct vfu_access *first, **end;
	uint64_t queued, done;       /* accesses, since the server started */
	_Atomic size_t bytes;        /* of writes */
	_Atomic unsigned int posted; /* writes and interrupts that are not done */
	uint64_t writes;             /* that were ever queued; from 1 on */
	struct vfu_slot slots[VFU_DMA_SLOTS];
};

struct vfu_server {
	struct vfu_server_desc desc;
	struct vfu_server_ops ops;
	void *opaque;
	char path[108];
	uint64_t path_dev, path_ino; /* of the socket file that we made */
	int listen_fd;
	int wake_fd;                 /* eventfd: the control thread has something to look at */
	pthread_t thread;
	uint8_t *out;                /* a reply's payload under construction */

	atomic_bool stop;
	atomic_bool drop;            /* drop_why is set */
	pthread_mutex_t drop_lock;
	char drop_why[VFU_ERR_LEN];

	struct vfu_conn *conn;       /* RCU; written by the control thread */
	bool attached;
	struct vfu_refusal refusals[VFU_REFUSALS]; /* control thread */
	unsigned int next_refusal;   /* control thread: which one is taken next */

	struct vfu_dma_table *table; /* RCU; never NULL */
	atomic_bool poisoned;        /* beside the table: read for each access */
	struct vfu_dma_table *empty[2]; /* for the end of all mappings */
	struct vfu_dma_table *dead_tables; /* to be freed after the next grace period */
	struct vfu_window *dead_windows;   /* likewise */
	struct vfu_window *windows[VFU_WINDOW_BUCKETS];
	unsigned int nr_retired;     /* tables behind the current one */
	uint64_t dma_size;
	uint32_t nr_maps;            /* windows, and the page table: at most desc.limits.max_maps */
	uint64_t mapped;             /* bytes of these, hugetlbfs aside: at most desc.limits.max_mem */
	char why[VFU_ERR_LEN];       /* control thread: a reason that vfu_why() made */
	atomic_int peer;             /* process that connected last; 0: not known */

	struct vfu_async async;

	struct vfu_irqs irqs[VFU_SRV_IRQS];
	_Atomic uint64_t irq_debt;   /* ns that this client's interrupts took beyond the usual */
	unsigned long aio;           /* the kernel's aio_context_t: signals eventfds for us */
	struct vfu_closer *closer;   /* of all descriptors that clients passed, and of their sockets */
	int null_fd;
	int unmask_epoll; /* watches the unmask_fd of INTx */

	struct {
		_Atomic uint64_t clients, messages, bad_messages, dma_faults, dma_maps, dma_bytes,
			ptes;
		_Atomic bool client;
	} stats;
};

/* server.c */
void vfu_set_deadline(struct timespec *ts, uint64_t deadline_ms);
/* A condition variable whose deadlines are vfu_set_deadline()'s. */
int vfu_cond_init(pthread_cond_t *cond);
/* One line about something of the client's that is refused; conn may be NULL. */
void vfu_server_complain(struct vfu_server *s, struct vfu_conn *conn, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A reason with numbers in it; control thread, good until the next one. */
const char *vfu_why(struct vfu_server *s, const char *fmt, ...)
		__attribute__((format(printf, 2, 3)));
void vfu_conn_kill(struct vfu_conn *conn, const char *why);
void vfu_server_wake(struct vfu_server *s);
/*
 * Sends a request of the server's own and waits for the reply; from the DMA thread, offline
 * for RCU. Returns 0 and the reply (vfu_msg_free() it), or a negative errno value.
 */
int vfu_conn_request(struct vfu_server *s, struct vfu_conn *conn, uint16_t cmd, const void *data,
		size_t len, const void *more, size_t more_len, uint64_t deadline_ms,
		struct vfu_msg **reply);

/* server_table.c; control thread */
int vfu_dma_init(struct vfu_server *s);
void vfu_dma_fini(struct vfu_server *s);
int vfu_dma_map(struct vfu_server *s, const struct vfio_user_dma_map *m, int fd, const char **why);
/* Ends all mappings in [addr, addr + *size); *size becomes how many bytes they had. */
int vfu_dma_unmap(struct vfu_server *s, uint64_t addr, uint64_t *size, const char **why);
void vfu_dma_unmap_all(struct vfu_server *s);
int vfu_dma_set_page_table(struct vfu_server *s, const struct vfio_user_io_page_table *req, int fd,
		const char **why);
/* All mappings, and the page table. */
void vfu_dma_forget_client(struct vfu_server *s);
/* Any RCU reader: the place of the first range that ends at or behind iova; false: no such. */
bool vfu_table_find(const struct vfu_dma_table *t, uint64_t iova, uint32_t *leaf, uint32_t *slot);

/*
 * server_window.c; control thread. Each mapping of the client's memory is charged before it is
 * made, and credited after it was unmapped; 0, or -ENOSPC and the limit that the client reached.
 */
int vfu_maps_charge(struct vfu_server *s, uint64_t bytes, const char *command, const char **why);
void vfu_maps_credit(struct vfu_server *s, uint64_t bytes);
/* Unmaps, with other threads' turns in between. */
void vfu_unmap(void *at, uint64_t len);
/*
 * Maps [offset, offset + size) of a file, or finds that it is;
 * 0 or a negative errno value, and says why.
 */
int vfu_window_get(struct vfu_server *s, int fd, uint64_t offset, uint64_t size, uint32_t prot,
		struct vfu_window **window, const char **why);
/* When no thread uses it for this range any more. */
void vfu_window_put(struct vfu_server *s, struct vfu_window *window);

/* server_dma.c; an RCU reader */
enum vfu_dma_how {
	VFU_DMA_DIRECT,   /* by pointers; -EAGAIN where a message is needed */
	VFU_DMA_CHECK,    /* copies nothing: would it be a fault? */
	VFU_DMA_MESSAGES, /* the DMA thread: waits for the client where a message is needed */
};
/* Copies to buf, or from data; the other is NULL. 0, -EAGAIN, or -EFAULT: vfu_dma_last_fault(). */
int vfu_dma_access(struct vfu_server *s, uint64_t iova, uint8_t *buf, const uint8_t *data,
		size_t len, enum vfu_dma_how how);

/* server_async.c */
int vfu_async_init(struct vfu_server *s);
void vfu_async_fini(struct vfu_server *s);
/* Control thread: starts the DMA thread, once. */
int vfu_async_start(struct vfu_server *s);
/* Control thread: forgets what is queued; returns when nothing is under way. */
void vfu_async_forget_client(struct vfu_server *s);
/* Any RCU reader. 0, -EAGAIN, or another negative errno value; -EFAULT: with the fault. */
int vfu_async_read(struct vfu_server *s, unsigned int slot, uint64_t iova, void *buf, size_t len,
		struct vfu_dma_fault *fault);
int vfu_async_write(struct vfu_server *s, uint64_t iova, const void *data, size_t len);
bool vfu_async_irq(struct vfu_server *s, unsigned int index, unsigned int vector);
/* Whether accesses and interrupts must go through the queue. */
static inline bool
vfu_async_posted(const struct vfu_server *s)
{
	return atomic_load_explicit(&s->async.posted, memory_order_acquire) != 0;
}

/* server_irq.c; control thread */
int vfu_irq_init(struct vfu_server *s);
void vfu_irq_fini(struct vfu_server *s);
int vfu_irq_set(struct vfu_server *s, const struct vfio_irq_set *set, const uint8_t *data,
		size_t len, int *fds, unsigned int nr_fds, const char **why);
void vfu_irq_unwire_all(struct vfu_server *s);
/*
 * Whether signalling this client's eventfds has taken so long that only the DMA thread does it; a new
 * client begins without debt.
 */
bool vfu_irq_is_slow(const struct vfu_server *s);
/* Any RCU reader. */
bool vfu_irq_raise(struct vfu_server *s, unsigned int index, unsigned int vector);
/* True if the eventfd that unmasks INTx was signalled; takes the event, and never waits. */
bool vfu_irq_take_unmask(struct vfu_server *s);
/* Unmasks INTx, and has the device look again. */
void vfu_irq_unmask(struct vfu_server *s);

/* server_refuse.c; control thread */
void vfu_refuse_init(struct vfu_server *s);
void vfu_refuse_fini(struct vfu_server *s);
/* Takes over the socket. */
void vfu_refuse_add(struct vfu_server *s, int sock);
/* Fills in VFU_REFUSALS entries for poll(); returns the timeout (-1: none), shortened if need be. */
int vfu_refuse_prepare(const struct vfu_server *s, struct pollfd *pfds, int timeout);
/* Takes what poll() found in them. */
void vfu_refuse_work(struct vfu_server *s, const struct pollfd *pfds);

/* server_sock.c */
int vfu_sock_listen(struct vfu_server *s, const char *path, char *err);
void vfu_sock_remove(struct vfu_server *s);

/* sigbus.c */
int vfu_sigbus_add(struct vfu_server *s);
void vfu_sigbus_remove(struct vfu_server *s);
/* Not allocated on first use, which would be inside of a signal handler. */
extern __thread const struct vfu_server *vfu_sigbus_touches
		__attribute__((tls_model("initial-exec")));
/* This thread touches clients' memory from now on, next that of this one. */
static inline void
vfu_sigbus_mark_thread(const struct vfu_server *s)
{
	vfu_sigbus_touches = s;
}

#endif /* VFU_SERVER_PRIV_H */
