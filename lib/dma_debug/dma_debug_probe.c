/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A test whether a pool can be watched at all.
 *
 * The watch sees the calls that reach a pool's operations. DPDK's caches, one for each lcore, are
 * in front of these operations, and the functions of the caches are inline in each program. The
 * watch sets their flush threshold to zero, and refuses to fill them. The effect of either on a
 * cache is a detail of DPDK, and changes: 26.07 no longer reads the threshold. A blind watch is
 * worse than none, because it takes the next correct free for a double free. So before the first
 * pool is watched, the library puts into and gets from a private pool of one mbuf: with the
 * functions that are compiled into this library, and with those in DPDK's own. If the watch does
 * not see a put or a get, the library refuses to watch.
 *
 * The private pool has only the members that these functions read. It uses the operations of the
 * watch, because DPDK has room for few kinds of mempools; the watch passes on calls for pools that
 * it does not know.
 */

#include <dirent.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "dma_debug.h"

#define CACHE 32 /* any size that DPDK accepts */

/* The pool, and the calls that it has seen. Protected by the caller's lock. */
struct probe {
	struct rte_mempool pool;
	struct rte_mempool_cache caches[RTE_MAX_LCORE];
	struct {
		struct rte_mempool_objhdr header;
		struct rte_mbuf m;
	} object;
	void *in; /* the object is in the pool */
	unsigned int puts, gets;
};

static struct probe *probe;

int
dma_debug_probe_put(void *const *objs, unsigned int n)
{
	if (n == 1)
		probe->in = objs[0];
	probe->puts += n;
	return 0;
}

/* Behave as the watch: refuse to fill a cache, and serve a caller that asks for what it needs. */
int
dma_debug_probe_get(void **objs, unsigned int n)
{
	if ((char *)objs >= (char *)probe->caches &&
			(char *)objs < (char *)&probe->caches[RTE_MAX_LCORE])
		return -ENOBUFS;
	probe->gets += n;
	if (n != 1 || probe->in == NULL)
		return -ENOENT;
	objs[0] = probe->in;
	probe->in = NULL;
	return 0;
}

static bool
in_cache(void)
{
	unsigned int i;

	for (i = 0; i < RTE_MAX_LCORE; i++)
		if (probe->caches[i].len != 0)
			return true;
	return false;
}

/* Try one put and one get, with a cache of no lcore in particular, or of the calling lcore. */
static const char *
try_inline(struct rte_mempool_cache *cache)
{
	void *m = &probe->object.m;

	probe->puts = probe->gets = 0;
	rte_mempool_generic_put(&probe->pool, &m, 1, cache);
	if (probe->puts != 1 || in_cache())
		return "mbufs that are put into a pool stay in a cache, unseen";
	if (rte_mempool_generic_get(&probe->pool, &m, 1, cache) != 0 || probe->gets != 1 ||
			m != &probe->object.m || in_cache())
		return "mbufs that are taken from a pool come from a cache, unseen";
	return NULL;
}

/* Try functions of DPDK's own library. The get is refused, because the clone is not wanted. */
static const char *
try_library(void)
{
	struct rte_mbuf *m = &probe->object.m;

	probe->puts = probe->gets = 0;
	rte_pktmbuf_free_bulk(&m, 1);
	if (probe->puts != 1 || in_cache())
		return "mbufs that rte_pktmbuf_free_bulk() puts into a pool stay in a cache, "
		       "unseen";
	probe->in = NULL;
	m = rte_pktmbuf_clone(&probe->object.m, &probe->pool);
	if (m != NULL || probe->gets != 1 || in_cache())
		return "mbufs that rte_pktmbuf_clone() takes from a pool come from a cache, unseen";
	return NULL;
}

static struct probe *
make(int32_t ops_index)
{
	const size_t size = RTE_ALIGN(sizeof(struct probe), alignof(struct probe));
	struct probe *p = aligned_alloc(alignof(struct probe), size);
	unsigned int i;

	if (p == NULL)
		return NULL;
	memset(p, 0, size);
	p->pool.ops_index = ops_index;
	p->pool.size = 1;
	p->pool.cache_size = CACHE;
	p->pool.local_cache = p->caches;
	for (i = 0; i < RTE_MAX_LCORE; i++)
		p->caches[i].size = CACHE; /* the flush threshold is 0 */
	p->object.header.mp = &p->pool;
	p->object.m.pool = &p->pool;
	p->object.m.nb_segs = 1;
	rte_mbuf_refcnt_set(&p->object.m, 1);
	return p;
}

const char *
dma_debug_probe(int32_t ops_index)
{
	static const char *why;
	static bool tested;

	if (tested)
		return why;
	probe = make(ops_index);
	if (probe == NULL)
		return "out of memory";
	why = try_inline(&probe->caches[0]);
	/* A thread without lcore has no cache: a later call tests how the library uses one. */
	if (why == NULL && rte_lcore_id() < RTE_MAX_LCORE)
		why = try_library();
	tested = why != NULL || rte_lcore_id() < RTE_MAX_LCORE;
	free(probe);
	probe = NULL;
	return why;
}

/*
 * Other processes.
 */

/* Return whether a process listens: a killed process leaves its socket behind. */
static bool
is_alive(const char *dir, const char *name)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	bool alive;
	int fd;

	if ((size_t)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s", dir, name) >=
			sizeof(addr.sun_path))
		return false; /* EAL cannot have made it either */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	alive = connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0;
	close(fd);
	return alive;
}

bool
dma_debug_is_shared(void)
{
	const char *path = rte_eal_get_runtime_dir();
	const struct dirent *e;
	bool shared = false;
	DIR *dir;

	if (rte_eal_process_type() != RTE_PROC_PRIMARY)
		return true;
	dir = opendir(path);
	while (!shared && dir != NULL && (e = readdir(dir)) != NULL)
		/* The primary's own socket has no such suffix. */
		shared = strncmp(e->d_name, "mp_socket_", strlen("mp_socket_")) == 0 &&
				is_alive(path, e->d_name);
	if (dir != NULL)
		closedir(dir);
	return shared;
}
