/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * EAL's memory, page by page, in runs of pages that are one piece of one file: what a device
 * can be given by one mapping. Who calls this holds EAL's memory lock, or knows that the memory is
 * in use and stays: the lock is not taken here.
 */

#ifndef EAL_RUN_H
#define EAL_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_memory.h>

struct eal_run {
	uintptr_t va;
	rte_iova_t iova;  /* of the first page */
	size_t len;       /* bytes; 0: none */
	size_t page;      /* of them bytes that are a page */
	int fd;           /* the file that it is all in, EAL's; -1: none is known */
	size_t offset;    /* in it */
	bool stays;       /* EAL does not give it back; false: it may, each page alone */
};

/** The page that va lies in, and its list; NULL: EAL has none there now. */
static inline struct rte_memseg *
eal_page_at(uintptr_t va, const struct rte_memseg_list **msl)
{
	struct rte_memseg *ms;

	*msl = rte_mem_virt2memseg_list((void *)va);
	ms = *msl != NULL ? rte_mem_virt2memseg((void *)va, *msl) : NULL;
	return ms != NULL && ms->len != 0 ? ms : NULL;
}

/** A page. @p changes: EAL's memory comes and goes, where it isn't marked to stay. */
static inline struct eal_run
eal_run_of(const struct rte_memseg_list *msl, const struct rte_memseg *ms, bool changes)
{
	struct eal_run run = { .va = (uintptr_t)ms->addr, .iova = ms->iova, .len = ms->len,
		.page = ms->len, .fd = -1 };

	if (msl->external) /* its owner's, which may take it back */
		return run;
	run.stays = !changes || (ms->flags & RTE_MEMSEG_FLAG_DO_NOT_FREE);
	run.fd = rte_memseg_get_fd_thread_unsafe(ms);
	if (run.fd < 0 || rte_memseg_get_fd_offset_thread_unsafe(ms, &run.offset) != 0)
		run.fd = -1;
	return run;
}

/** Whether next is the neighbour of run, in virtual addresses and in the file, and of its kind. */
static inline bool
eal_run_continues(const struct eal_run *run, const struct eal_run *next)
{
	return run->va + run->len == next->va && run->fd == next->fd &&
		(run->fd < 0 || run->offset + run->len == next->offset) &&
		run->stays == next->stays && run->page == next->page;
}

#endif /* EAL_RUN_H */
