/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Names of functions, for reports.
 *
 * dladdr() knows the names that a library exports, and none of a program. The other names,
 * including static functions, are in the file's symbol table (.symtab) unless it was stripped.
 * Reading it takes milliseconds, which a report may take. The code trusts the file as little as any
 * other, because it may have been replaced since it was loaded.
 *
 * Also: callers. If a library's function made a call, the caller of the library is at fault.
 */

#include <dlfcn.h>
#include <elf.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>

#include "dma_ext.h"

struct file {
	const uint8_t *data;
	size_t size;
};

/* Return [offset, offset + size) of a file, or NULL. */
static const void *
part(const struct file *f, uint64_t offset, uint64_t size)
{
	return offset <= f->size && size <= f->size - offset ? f->data + offset : NULL;
}

/* Find the function at a virtual address of the file: its name, and its start. */
static const char *
find_function(const struct file *f, uint64_t at, uint64_t *begin)
{
	const Elf64_Ehdr *h = part(f, 0, sizeof(*h));
	const Elf64_Shdr *sections;
	unsigned int i;
	uint64_t k;

	if (h == NULL || memcmp(h->e_ident, ELFMAG, SELFMAG) != 0 ||
			h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_shentsize != sizeof(*sections))
		return NULL;
	sections = part(f, h->e_shoff, (uint64_t)h->e_shnum * sizeof(*sections));
	for (i = 0; sections != NULL && i < h->e_shnum; i++) {
		const Elf64_Shdr *s = &sections[i], *strings;
		const Elf64_Sym *symbols;
		const char *names;

		if (s->sh_type != SHT_SYMTAB || s->sh_link >= h->e_shnum)
			continue;
		strings = &sections[s->sh_link];
		symbols = part(f, s->sh_offset, s->sh_size);
		names = part(f, strings->sh_offset, strings->sh_size);
		if (symbols == NULL || names == NULL || strings->sh_size == 0 ||
				names[strings->sh_size - 1] != '\0')
			continue;
		for (k = 0; k < s->sh_size / sizeof(*symbols); k++) {
			const Elf64_Sym *y = &symbols[k];

			if (ELF64_ST_TYPE(y->st_info) != STT_FUNC || at < y->st_value ||
					at - y->st_value >= y->st_size ||
					y->st_name >= strings->sh_size)
				continue;
			*begin = y->st_value;
			return names + y->st_name;
		}
	}
	return NULL;
}

/* Write the name to buf. Return false if there is none. */
static bool
read_name(const char *path, uint64_t at, char *buf, size_t len, uint64_t *offset)
{
	struct file f = { .data = MAP_FAILED };
	const char *name = NULL;
	uint64_t begin = 0;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
		f.size = st.st_size;
		f.data = mmap(NULL, f.size, PROT_READ, MAP_PRIVATE, fd, 0);
	}
	if (fd >= 0)
		close(fd);
	if (f.data == MAP_FAILED)
		return false;
	name = find_function(&f, at, &begin);
	if (name != NULL) {
		snprintf(buf, len, "%s", name);
		*offset = at - begin;
	}
	munmap((void *)(uintptr_t)f.data, f.size);
	return name != NULL;
}

static const char *
base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

/*
 * Find file and function of an address. If a file can be loaded anywhere, addresses in it count
 * from its load address.
 */
static bool
locate(const void *addr, Dl_info *info, struct link_map **map, char *name, size_t len,
		uint64_t *offset)
{
	/* A return address may be the first of the next function. */
	const void *in = (const void *)((uintptr_t)addr - 1);
	const void *program = (const void *)getauxval(AT_PHDR);
	Dl_info own;
	const char *path;
	ElfW(Sym) *sym = NULL;

	name[0] = '\0';
	*offset = 0;
	if (addr == NULL || dladdr1(in, info, (void **)map, RTLD_DL_LINKMAP) == 0)
		return false;
	if (dladdr1(in, &own, (void **)&sym, RTLD_DL_SYMENT) != 0 && own.dli_sname != NULL &&
			sym != NULL && (uintptr_t)in - (uintptr_t)own.dli_saddr < sym->st_size) {
		snprintf(name, len, "%s", own.dli_sname);
		*offset = (uintptr_t)addr - (uintptr_t)own.dli_saddr;
		return true;
	}
	/*
	 * If the loader itself was the command (there is no AT_BASE), /proc/self/exe is the loader.
	 */
	path = dladdr(program, &own) != 0 && own.dli_fbase == info->dli_fbase &&
					getauxval(AT_BASE) != 0 ?
			"/proc/self/exe" :
			info->dli_fname;
	if (read_name(path, (uintptr_t)in - (*map)->l_addr, name, len, offset))
		++*offset;
	return true;
}

bool
dma_symbol(const void *addr, char *buf, size_t len)
{
	struct link_map *map;
	char name[96];
	uint64_t offset;
	Dl_info info;

	if (!locate(addr, &info, &map, name, sizeof(name), &offset)) {
		snprintf(buf, len, "%p", addr);
		return false;
	}
	if (name[0] != '\0')
		snprintf(buf, len, "%s+0x%lx (%s)", name, offset, base_of(info.dli_fname));
	else
		snprintf(buf, len, "%s+0x%lx", base_of(info.dli_fname),
				(uintptr_t)addr - map->l_addr);
	return true;
}

/*
 * The owner of code. gantry and DPDK are libraries, or parts of the program: then the names of
 * their functions identify them. A function from a DPDK header is compiled into the file that calls
 * it: if it was not inlined there, only its name identifies it.
 */
static enum dma_code
classify(const void *addr)
{
	static const char *const prefixes[] = { "igb_", "gantry_dma_", "eth_dev_" };
	const char *file;
	struct link_map *map;
	char name[96];
	uint64_t offset;
	Dl_info info;
	unsigned int i;

	if (!locate(addr, &info, &map, name, sizeof(name), &offset))
		return DMA_CODE_FOREIGN;
	if (strncmp(name, "rte_", 4) == 0 || strncmp(name, "__rte_", 6) == 0)
		return DMA_CODE_DPDK;
	file = base_of(info.dli_fname);
	if (strncmp(file, "librte_", 7) == 0 || strncmp(file, "libgantry", 9) == 0)
		return DMA_CODE_LIBRARY;
	for (i = 0; i < RTE_DIM(prefixes); i++)
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return DMA_CODE_LIBRARY;
	return DMA_CODE_FOREIGN;
}

#define CODE_BITS 2
#define KNOWN     1024 /* addresses; a power of two */

/* Look up each address only once. Address and class are one word, so threads never mix them up. */
static enum dma_code
code_of(const void *addr)
{
	static uint64_t known[KNOWN];
	const uint64_t at = (uintptr_t)addr;
	uint64_t *k = &known[at * UINT64_C(0x9E3779B97F4A7C15) >> 32 & (KNOWN - 1)];
	uint64_t is = __atomic_load_n(k, __ATOMIC_RELAXED);

	if (unlikely(is >> CODE_BITS != at)) {
		is = at << CODE_BITS | classify(addr);
		__atomic_store_n(k, is, __ATOMIC_RELAXED);
	}
	return is & ((1 << CODE_BITS) - 1);
}

const void *
dma_find_caller(const void *site, enum dma_code code)
{
	void *frames[DMA_FRAMES_MAX];
	const int n = backtrace(frames, RTE_DIM(frames));
	int i = 0;

	while (i < n && frames[i] != site)
		i++;
	if (i == n)
		return NULL;
	while (i < n && code_of(frames[i]) >= code)
		i++;
	return i < n ? frames[i] : site;
}

const void *
dma_caller_of(const void *site, enum dma_code code)
{
	const void *caller = NULL;

	if (unlikely(code_of(site) >= code))
		caller = dma_find_caller(site, code);
	return caller != NULL ? caller : site;
}
