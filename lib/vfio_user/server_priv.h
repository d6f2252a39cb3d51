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
 *   polling threads   the owner's; RCU readers of table, wiring and connection
 *   any thread        vfu_server_drop_client(), statistics
 *
 * The socket is read by whoever waits for something from it ("the reader",
 * struct vfu_conn.reading): the control thread when it waits for a command, a
 * polling thread when it waits for the reply to its DMA_READ. The reader hands
 * what it meets to whom it belongs: commands to the control thread's queue,
 * replies to their waiters. So a polling thread never depends on the control
 * thread, which may be waiting for that polling thread's quiescent state.
 */

#ifndef VFU_SERVER_PRIV_H
#define VFU_SERVER_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "msg.h"
#include "vfu_server.h"

#define VFU_SEND_MS      1000 /* for a reply: a client that does not read for so long is dropped */
#define VFU_HANDSHAKE_MS 5000 /* for VERSION after connecting */
#define VFU_DMA_MS       200  /* for DMA_READ or DMA_WRITE and the reply, if desc says nothing */
#define VFU_DMA_CHUNK    65536u

/* Commands that wait for the control thread while a polling thread reads. */
#define VFU_QUEUE_MSGS   4096u
#define VFU_QUEUE_BYTES  (8u * 1024 * 1024)

#define VFU_MAX_DMA_SIZE (UINT64_C(1) << 42)
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
	unsigned int complaints;     /* control thread: lines written about this client */
	uint32_t max_dma_xfer;       /* bytes in one DMA_READ or DMA_WRITE */
	bool io_page_table;          /* control thread: the extension was negotiated */

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

	struct vfu_rx rx;            /* the reader's */
	pthread_mutex_t tx_lock;     /* one message at a time on the socket */
};

/* A part of a file of the client's, mapped here: whole pages of what backs it. */
struct vfu_window {
	struct vfu_window *next;
	uint8_t *base;
	uint64_t dev, ino;  /* the file, which lives as long as it is mapped */
	uint64_t offset;    /* in it */
	uint64_t len;
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
	struct {
		uint64_t last;       /* of its last range */
		struct vfu_dma_leaf *leaf;
	} leaves[];
};

struct vfu_irqs {
	uint32_t count;
	int *fds;               /* per vector, -1: not wired; RCU */
	atomic_bool *masked;
	atomic_bool *pending;   /* raised while masked */
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

	struct vfu_dma_table *table; /* RCU; never NULL */
	struct vfu_dma_table *empty[2]; /* for the end of all mappings */
	struct vfu_dma_table *dead_tables; /* to be freed after the next grace period */
	struct vfu_window *dead_windows;   /* likewise */
	struct vfu_window *windows[VFU_WINDOW_BUCKETS];
	unsigned int nr_retired;     /* tables behind the current one */
	uint64_t dma_size;
	atomic_bool poisoned;

	struct vfu_irqs irqs[VFU_SRV_IRQS];
	unsigned long aio;           /* the kernel's aio_context_t: signals eventfds for us */
	int null_fd;

	struct {
		_Atomic uint64_t clients, messages, bad_messages, dma_faults, dma_maps, dma_bytes,
			ptes;
		_Atomic bool client;
	} stats;
};

/* server.c */
void vfu_conn_kill(struct vfu_conn *conn, const char *why);
void vfu_server_wake(struct vfu_server *s);
/*
 * Sends a request of the server's own and waits for the reply; from any RCU
 * reader. Returns 0 and the reply (vfu_msg_free() it), or a negative errno value.
 */
int vfu_conn_request(struct vfu_server *s, struct vfu_conn *conn, uint16_t cmd, const void *data,
		size_t len, const void *more, size_t more_len, uint64_t deadline_ms,
		struct vfu_msg **reply);

/* server_table.c; control thread */
int vfu_dma_init(struct vfu_server *s);
void vfu_dma_fini(struct vfu_server *s);
int vfu_dma_map(struct vfu_server *s, const struct vfio_user_dma_map *m, int fd, const char **why);
int vfu_dma_unmap(struct vfu_server *s, uint64_t addr, uint64_t size, const char **why);
void vfu_dma_unmap_all(struct vfu_server *s);
int vfu_dma_set_page_table(struct vfu_server *s, const struct vfio_user_io_page_table *req, int fd,
		const char **why);
/* All mappings, and the page table. */
void vfu_dma_forget_client(struct vfu_server *s);
/* Any RCU reader: the place of the first range that ends at or behind iova; false: no such. */
bool vfu_table_find(const struct vfu_dma_table *t, uint64_t iova, uint32_t *leaf, uint32_t *slot);

/*
 * server_window.c; control thread. Maps [offset, offset + size) of a file, or finds that it is;
 * 0 or a negative errno value, and says why.
 */
int vfu_window_get(struct vfu_server *s, int fd, uint64_t offset, uint64_t size, uint32_t prot,
		struct vfu_window **window, const char **why);
/* When no thread uses it for this range any more. */
void vfu_window_put(struct vfu_server *s, struct vfu_window *window);

/* server_irq.c; control thread */
int vfu_irq_init(struct vfu_server *s);
void vfu_irq_fini(struct vfu_server *s);
int vfu_irq_set(struct vfu_server *s, const struct vfio_irq_set *set, const uint8_t *data,
		size_t len, int *fds, unsigned int nr_fds, const char **why);
void vfu_irq_unwire_all(struct vfu_server *s);

/* server_sock.c */
int vfu_sock_listen(struct vfu_server *s, const char *path, char *err);
void vfu_sock_remove(struct vfu_server *s);

/* sigbus.c */
int vfu_sigbus_add(struct vfu_server *s);
void vfu_sigbus_remove(struct vfu_server *s);
/* Not allocated on first use, which would be inside of a signal handler. */
extern __thread bool vfu_sigbus_touches __attribute__((tls_model("initial-exec")));
/* This thread touches clients' memory from now on. */
static inline void
vfu_sigbus_mark_thread(void)
{
	vfu_sigbus_touches = true;
}

#endif /* VFU_SERVER_PRIV_H */
