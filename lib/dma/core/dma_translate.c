/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Classes of memory, and translation between the three address spaces.
 *
 * A table of EAL memory has one entry for each of EAL's smallest pages. The library makes it with
 * the first device, and EAL memory events keep it up to date. EAL reserves the virtual addresses of
 * all memory that it can ever have when it starts, so the extent of the table is fixed. The data
 * path reads the table without a lock: an entry changes only before EAL gives the memory to any
 * user, and after EAL took it from all users.
 *
 * The kernel answers for all other memory: /proc/self/maps lists what an address is, and
 * /proc/self/pagemap which page frame is behind it (Documentation/admin-guide/mm/pagemap.rst), the
 * latter for root only.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>
#include <rte_malloc.h>

#include "dma_core.h"

/* A table of more entries (32 MiB) is not worth its memory; look-ups then go out of line. */
#define TABLE_MAX_ENTRIES (UINT64_C(1) << 22)

#define PAGEMAP_PRESENT (UINT64_C(1) << 63)
#define PAGEMAP_PFN     ((UINT64_C(1) << 55) - 1)

#define MMIO_MAX 64

/* protects the users, not the entries */
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int table_users;
static bool table_events;
static struct gantry_dma_table table;
/* in EAL shared memory: see "Secondary processes" in gantry_dma.c */
static uint64_t *table_entries;

static pthread_mutex_t mmio_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	uintptr_t start, end;
} mmio[MMIO_MAX];

/*
 * The table.
 */

void
dma_table_set(const struct gantry_dma_table *t, uint64_t *entries, const void *va, size_t len,
		uint64_t offset)
{
	const uintptr_t first = (uintptr_t)va - t->base;
	uintptr_t at;

	for (at = first; at - first < len && at < t->span; at += t->page_mask + 1)
		entries[at >> t->shift] = offset;
}

/* The EAL memory lock is held, here and in the next function. */
static int
table_add(const struct rte_memseg_list *msl, const struct rte_memseg *ms, void *arg)
{
	if (!msl->external && ms->iova != RTE_BAD_IOVA)
		dma_table_set(&table, table_entries, ms->addr, ms->len,
				ms->iova - (uintptr_t)ms->addr);
	return 0;
}

static void
table_event(enum rte_mem_event type, const void *addr, size_t len, void *arg)
{
	uintptr_t va = (uintptr_t)addr;
	const struct rte_memseg_list *msl = rte_mem_virt2memseg_list(addr);
	const struct rte_memseg *ms;
	uintptr_t at;

	if (table.span == 0 || msl == NULL || msl->external)
		return;
	if (type == RTE_MEM_EVENT_FREE) {
		dma_table_set(&table, table_entries, addr, len, GANTRY_DMA_NO_OFFSET);
		return;
	}
	for (at = va; at - va < len; at += ms->len) {
		ms = rte_mem_virt2memseg((void *)at, msl);
		if (ms == NULL || ms->len == 0)
			return;
		table_add(msl, ms, NULL);
	}
}

struct extent {
	uintptr_t base, end;
	uint64_t page;
};

static int
table_extent(const struct rte_memseg_list *msl, void *arg)
{
	struct extent *e = arg;
	uintptr_t base = (uintptr_t)msl->base_va;

	if (msl->external || msl->base_va == NULL)
		return 0;
	e->base = RTE_MIN(e->base, base);
	e->end = RTE_MAX(e->end, base + msl->len);
	e->page = RTE_MIN(e->page, msl->page_sz);
	return 0;
}

int
dma_table_make(struct gantry_dma_table *t, uint64_t **entries)
{
	struct extent e = { .base = UINTPTR_MAX, .page = UINT64_MAX };
	uint64_t nr = 0, i;

	memset(t, 0, sizeof(*t));
	*entries = NULL;
	rte_memseg_list_walk(table_extent, &e);
	if (e.end != 0 && rte_is_power_of_2(e.page)) {
		e.base = RTE_ALIGN_FLOOR(e.base, e.page);
		nr = RTE_ALIGN_CEIL(e.end - e.base, e.page) / e.page;
	}
	if (nr == 0 || nr > TABLE_MAX_ENTRIES)
		return 0;
	*entries = rte_malloc("gantry_dma_table", (nr + 1) * sizeof(**entries),
			RTE_CACHE_LINE_SIZE);
	if (*entries == NULL)
		return -ENOMEM;
	for (i = 0; i < nr + 1; i++)
		(*entries)[i] = GANTRY_DMA_NO_OFFSET;
	t->offset = *entries;
	t->base = e.base;
	t->page_mask = e.page - 1;
	t->shift = __builtin_ctzll(e.page);
	t->span = nr << t->shift;
	return 0;
}

int
dma_table_get(struct gantry_dma_table *out)
{
	int ret = 0;

	pthread_mutex_lock(&table_lock);
	if (table_users == 0) {
		ret = dma_table_make(&table, &table_entries);
		/*
		 * Register before the walk, because the walk would miss pages that EAL adds in
		 * between. Legacy memory and memory without hugepages never change (ENOTSUP).
		 */
		if (ret == 0) {
			ret = rte_mem_event_callback_register("gantry_dma", table_event, &table);
			table_events = ret == 0;
			ret = ret == 0 || rte_errno == ENOTSUP ? 0 : -rte_errno;
		}
		if (ret != 0)
			rte_free(table_entries);
		else if (table_entries != NULL)
			rte_memseg_walk(table_add, NULL);
	}
	if (ret == 0)
		table_users++;
	*out = table;
	pthread_mutex_unlock(&table_lock);
	if (ret != 0)
		dma_fail("the table of EAL memory cannot be made: %s", strerror(-ret));
	return ret;
}

void
dma_table_put(void)
{
	pthread_mutex_lock(&table_lock);
	if (--table_users == 0) {
		if (table_events)
			rte_mem_event_callback_unregister("gantry_dma", &table);
		rte_free(table_entries);
	}
	pthread_mutex_unlock(&table_lock);
}

/*
 * Memory classes.
 */

int
gantry_mem_mmio_add(const void *va, size_t len)
{
	uintptr_t start = (uintptr_t)va;
	int ret = -ENOSPC;
	unsigned int i;

	if (va == NULL || len == 0 || start + len < start)
		return -EINVAL;
	pthread_mutex_lock(&mmio_lock);
	for (i = 0; i < MMIO_MAX; i++) {
		if (mmio[i].end == 0) {
			mmio[i].start = start;
			mmio[i].end = start + len;
			ret = 0;
			break;
		}
	}
	pthread_mutex_unlock(&mmio_lock);
	return ret;
}

void
gantry_mem_mmio_del(const void *va)
{
	unsigned int i;

	pthread_mutex_lock(&mmio_lock);
	for (i = 0; i < MMIO_MAX; i++) {
		if (mmio[i].end != 0 && mmio[i].start == (uintptr_t)va)
			mmio[i].start = mmio[i].end = 0;
	}
	pthread_mutex_unlock(&mmio_lock);
}

static bool
is_noted_mmio(uintptr_t va)
{
	bool found = false;
	unsigned int i;

	pthread_mutex_lock(&mmio_lock);
	for (i = 0; i < MMIO_MAX && !found; i++)
		found = va >= mmio[i].start && va < mmio[i].end;
	pthread_mutex_unlock(&mmio_lock);
	return found;
}

/* Return whether the kernel maps device registers through this file. */
static bool
is_mmio_file(const char *path)
{
	return strstr(path, "[vfio-device]") != NULL || strncmp(path, "/dev/vfio/", 10) == 0 ||
			strncmp(path, "/dev/uio", 8) == 0 || strcmp(path, "/dev/mem") == 0 ||
			(strncmp(path, "/sys/", 5) == 0 && strstr(path, "/resource") != NULL);
}

/* A line has the form "start-end perms offset dev inode   path". */
void
dma_for_each_region(bool (*fn)(const struct dma_region *r, void *arg), void *arg)
{
	FILE *f = fopen("/proc/self/maps", "re");
	struct dma_region r;
	char line[512];
	bool end = false;

	while (f != NULL && !end && fgets(line, sizeof(line), f) != NULL) {
		r.path[0] = '\0';
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %*s %255[^\n]", &r.start,
				    &r.end, r.perms, r.path) >= 3)
			end = fn(&r, arg);
	}
	if (f != NULL)
		fclose(f);
}

struct by_maps {
	uintptr_t va;
	enum gantry_mem_class class;
};

static bool
classify_region(const struct dma_region *r, void *arg)
{
	struct by_maps *m = arg;

	if (m->va < r->start || m->va >= r->end)
		return false;
	/* Reserved without any access: EAL's address space, guard pages. */
	if (strncmp(r->perms, "---", 3) != 0)
		m->class = is_mmio_file(r->path) ? GANTRY_MEM_MMIO : GANTRY_MEM_PROCESS;
	return true;
}

static enum gantry_mem_class
classify_by_maps(uintptr_t va)
{
	struct by_maps m = { .va = va, .class = GANTRY_MEM_NONE };

	dma_for_each_region(classify_region, &m);
	return m.class;
}

enum gantry_mem_class
gantry_mem_classify(const void *ptr)
{
	const struct rte_memseg_list *msl = rte_mem_virt2memseg_list(ptr);
	const struct rte_memseg *ms;

	if (msl != NULL) {
		ms = rte_mem_virt2memseg(ptr, msl);
		if (ms == NULL || ms->len == 0)
			return GANTRY_MEM_NONE;
		return msl->external ? GANTRY_MEM_EXTERNAL : GANTRY_MEM_HUGEPAGE;
	}
	if (is_noted_mmio((uintptr_t)ptr))
		return GANTRY_MEM_MMIO;
	return classify_by_maps((uintptr_t)ptr);
}

const char *
gantry_mem_class_name(enum gantry_mem_class c)
{
	switch (c) {
	case GANTRY_MEM_NONE:
		return "not memory";
	case GANTRY_MEM_HUGEPAGE:
		return "hugepage memory";
	case GANTRY_MEM_EXTERNAL:
		return "external memory";
	case GANTRY_MEM_PROCESS:
		return "process memory";
	case GANTRY_MEM_MMIO:
		return "a BAR";
	}
	return "unknown";
}

/*
 * Virtual to physical.
 */

static int
pagemap_read(int fd, uintptr_t va, uint64_t page_size, gantry_phys_addr_t *phys)
{
	uint64_t entry;
	ssize_t n;

	n = pread(fd, &entry, sizeof(entry), (off_t)(va / page_size * sizeof(entry)));
	if (n < 0)
		return -errno;
	if (n != sizeof(entry) || !(entry & PAGEMAP_PRESENT))
		return -EFAULT;
	/* The kernel hides the frame numbers from a process without CAP_SYS_ADMIN. */
	if ((entry & PAGEMAP_PFN) == 0)
		return -EPERM;
	*phys = (entry & PAGEMAP_PFN) * page_size + va % page_size;
	return 0;
}

static int
pagemap_open(void)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	return errno == EACCES ? -EPERM : -errno;
}

static int
phys_failed(const void *ptr, int ret)
{
	if (ret == -EPERM)
		dma_fail("%p: its physical address is known to root only (CAP_SYS_ADMIN)", ptr);
	else if (ret == -EFAULT)
		dma_fail("%p: no page is there (never touched, swapped out, or not mapped)", ptr);
	else
		dma_fail("%p: cannot read /proc/self/pagemap: %s", ptr, strerror(-ret));
	return ret;
}

int
gantry_virt_to_phys(const void *ptr, gantry_phys_addr_t *phys)
{
	int fd, ret;

	*phys = GANTRY_PHYS_ADDR_BAD;
	fd = pagemap_open();
	if (fd < 0)
		return phys_failed(ptr, fd);
	ret = pagemap_read(fd, (uintptr_t)ptr, sysconf(_SC_PAGESIZE), phys);
	close(fd);
	return ret != 0 ? phys_failed(ptr, ret) : 0;
}

int
gantry_phys_contiguous(const void *ptr, size_t len)
{
	const uint64_t page = sysconf(_SC_PAGESIZE);
	const uintptr_t start = (uintptr_t)ptr;
	gantry_phys_addr_t first = 0, here = 0;
	uintptr_t at;
	int fd, ret;

	if (len == 0 || start + (len - 1) < start)
		return -EINVAL;
	fd = pagemap_open();
	if (fd < 0)
		return phys_failed(ptr, fd);
	ret = 1;
	for (at = start; at - start < len; at = RTE_ALIGN_FLOOR(at, page) + page) {
		int err = pagemap_read(fd, at, page, &here);

		if (err != 0) {
			ret = phys_failed((const void *)at, err);
			break;
		}
		if (at == start)
			first = here;
		else if (here - first != at - start)
			ret = 0; /* continue: a missing page matters more */
	}
	close(fd);
	return ret;
}

/*
 * Virtual to bus, and back.
 */

gantry_dma_addr_t
gantry_virt_to_bus(struct gantry_dma_dev *dev, const void *ptr)
{
	const struct rte_memseg *ms = rte_mem_virt2memseg(ptr, NULL);

	if (ms == NULL || ms->len == 0 || ms->iova == RTE_BAD_IOVA) {
		dma_fail("%p is %s: it has no bus address", ptr,
				gantry_mem_class_name(gantry_mem_classify(ptr)));
		return GANTRY_DMA_MAPPING_ERROR;
	}
	return ms->iova + ((uintptr_t)ptr - (uintptr_t)ms->addr);
}

struct by_bus {
	gantry_dma_addr_t addr;
	void *va;
};

static int
by_bus(const struct rte_memseg_list *msl, const struct rte_memseg *ms, void *arg)
{
	struct by_bus *b = arg;

	if (ms->iova == RTE_BAD_IOVA || b->addr < ms->iova || b->addr - ms->iova >= ms->len)
		return 0;
	b->va = RTE_PTR_ADD(ms->addr, b->addr - ms->iova);
	return 1;
}

void *
gantry_bus_to_virt(struct gantry_dma_dev *dev, gantry_dma_addr_t addr)
{
	struct by_bus b = { .addr = addr };

	rte_memseg_walk(by_bus, &b);
	if (b.va == NULL)
		dma_fail("no EAL memory has bus address 0x%" PRIx64, addr);
	return b.va;
}
