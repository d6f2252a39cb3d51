/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the names that reports give to code (dma_symbol.c): which code belongs to libraries, by
 * the names of its file and of its function; and symbol tables of files, which the test composes
 * byte by byte. Each case loads a copy of dma_symbol_code.c, whose path is MODULE.
 */

#include "dma_eal.h"

#include <dirent.h>
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/stat.h>

#include "../common/fds.h"
#include "dma_ext.h"

static char folder[] = "/tmp/dma_symbol.XXXXXX";

static void
write_file(const char *path, const void *data, size_t size)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
	close(fd);
}

/* Load the code from a file of this name, which stays loaded, and write the path to `path`. */
static void *
load_as(const char *name, char *path, size_t len)
{
	static uint8_t data[1 << 20];
	const int fd = open(MODULE, O_RDONLY | O_CLOEXEC);
	const ssize_t size = read(fd, data, sizeof(data));
	void *handle;

	assert_in_range(size, 1, sizeof(data) - 1);
	close(fd);
	snprintf(path, len, "%s/%s", folder, name);
	write_file(path, data, size);
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (handle == NULL)
		fail_msg("%s", dlerror());
	return handle;
}

/* Return the code that the library takes for the caller: this function's caller, or one outside. */
static const void *
caller(int code)
{
	const void *site = __builtin_return_address(0), *found = dma_caller_of(site, code);

	return found == site ? NULL : found;
}

/* Assert the class of a function of a loaded file. */
static void
assert_class(void *handle, const char *file, const char *name, enum dma_code expected)
{
	const void *(*call)(const void *(*fn)(int code), int code);
	enum dma_code code = DMA_CODE_FOREIGN;

	*(void **)&call = dlsym(handle, name);
	assert_non_null(call);
	while (code < DMA_CODE_DPDK && call(caller, code + 1) != NULL)
		code++;
	if (code != expected)
		fail_msg("%s, %s(): %d, not %d", file, name, code, expected);
}

static void
code_of_a_library_is_known_by_its_names(void **state)
{
	static const struct {
		const char *file;
		enum dma_code code; /* of a function with a name of no library */
	} files[] = {
		{ "libother.so", DMA_CODE_FOREIGN },
		{ "librte_x.so", DMA_CODE_LIBRARY },
		{ "librte-x.so", DMA_CODE_FOREIGN },
		{ "alibrte_x.so", DMA_CODE_FOREIGN },
		{ "libgantry.so", DMA_CODE_LIBRARY },
		{ "libgantry_x.so", DMA_CODE_LIBRARY },
		{ "libgantr.so", DMA_CODE_FOREIGN },
		{ "libgantrx.so", DMA_CODE_FOREIGN },
	};
	static const struct {
		const char *name;
		enum dma_code code; /* in a file with a name of no library */
	} functions[] = {
		{ "plain", DMA_CODE_FOREIGN },
		{ "rte_call", DMA_CODE_DPDK },
		{ "rtecall", DMA_CODE_FOREIGN },
		{ "__rte_call", DMA_CODE_DPDK },
		{ "__rtecall", DMA_CODE_FOREIGN },
		{ "igb_call", DMA_CODE_LIBRARY },
		{ "igbcall", DMA_CODE_FOREIGN },
		{ "gantry_dma_call", DMA_CODE_LIBRARY },
		{ "gantry_dmacall", DMA_CODE_FOREIGN },
		{ "eth_dev_call", DMA_CODE_LIBRARY },
		{ "eth_devcall", DMA_CODE_FOREIGN },
	};
	char path[64];
	void *handle;
	unsigned int i, k;

	for (i = 0; i < RTE_DIM(files); i++) {
		handle = load_as(files[i].file, path, sizeof(path));
		for (k = 0; k < RTE_DIM(functions); k++)
			assert_class(handle, files[i].file, functions[k].name,
					RTE_MAX(files[i].code, functions[k].code));
	}
}

/*
 * Files.
 */

#define NAMES "?crafted"

/* A file with a symbol table, its names, one or two symbols, and the sections at the end. */
struct image {
	Elf64_Ehdr header;
	char names[sizeof(NAMES)];
	char behind[7]; /* text that belongs to no name */
	Elf64_Sym symbols[2];
	Elf64_Shdr sections[3];
};

/* A change of a field of the image. */
struct change {
	size_t at, size;
	uint64_t value;
};
/* clang-format off */
#define SET(field, value) \
	{ offsetof(struct image, field), sizeof(((struct image *)0)->field), value }
/* clang-format on */
#define TO_END(field) (sizeof(struct image) - offsetof(struct image, field))

/* How a file differs from a valid one, and what its symbol at the address of the code is named. */
static const struct crafted {
	const char *what, *named; /* NULL: none */
	size_t cut;               /* bytes at the end that are missing */
	int shift;                /* of the first symbol, from the address of the code */
	int move;                 /* of the section of symbols, from the second one */
	bool at_0;                /* the symbol is: its distance follows its name */
	struct change changes[3];
} files[] = {
	{ .what = "valid", .named = "crafted+0x1" },
	{ .what = "sections cut", .cut = 1 },
	{ .what = "no sections", .cut = TO_END(sections) },
	{ .what = "header cut", .cut = TO_END(names) + 1 },
	{ .what = "empty", .cut = sizeof(struct image) },
	{ .what = "magic", .changes = { SET(header.e_ident[EI_MAG3], 'G') } },
	{ .what = "class", .changes = { SET(header.e_ident[EI_CLASS], ELFCLASS32) } },
	{ .what = "size of a section", .changes = { SET(header.e_shentsize, 65) } },
	{ .what = "sections far", .changes = { SET(header.e_shoff, UINT64_MAX) } },
	{ .what = "more sections", .changes = { SET(header.e_shnum, 4) } },
	{ .what = "names not counted", .changes = { SET(header.e_shnum, 2) } },
	{ .what = "symbols not counted", .changes = { SET(header.e_shnum, 1) } },
	{ .what = "symbols first", .named = "crafted+0x1", .move = -1 },
	{ .what = "symbols last", .named = "crafted+0x1", .move = 1 },
	{ .what = "symbols last, not counted", .move = 1, .changes = { SET(header.e_shnum, 2) } },
	{ .what = "kind", .changes = { SET(sections[1].sh_type, SHT_DYNSYM) } },
	{ .what = "link", .changes = { SET(sections[1].sh_link, 3) } },
	{ .what = "symbols to the end",
			.named = "crafted+0x1",
			.changes = { SET(sections[1].sh_size, TO_END(symbols)) } },
	{ .what = "symbols beyond", .changes = { SET(sections[1].sh_size, TO_END(symbols) + 1) } },
	{ .what = "symbols far", .changes = { SET(sections[1].sh_offset, UINT64_MAX) } },
	{ .what = "symbols from beyond",
			.changes = { SET(sections[1].sh_offset, sizeof(struct image) + 1),
					SET(sections[1].sh_size, UINT64_MAX) } },
	{ .what = "names beyond", .changes = { SET(sections[2].sh_size, TO_END(names) + 1) } },
	{ .what = "names far", .changes = { SET(sections[2].sh_offset, UINT64_MAX) } },
	{ .what = "no names",
			.changes = { SET(sections[2].sh_size, 0), SET(symbols[0].st_name, 0) } },
	{ .what = "no names at the beginning",
			.changes = { SET(sections[2].sh_size, 0), SET(sections[2].sh_offset, 0) } },
	{ .what = "names without end", .changes = { SET(sections[2].sh_size, sizeof(NAMES) - 1) } },
	{ .what = "object", .changes = { SET(symbols[0].st_info, STT_OBJECT) } },
	{ .what = "code before", .shift = 1 },
	{ .what = "code far before",
			.shift = 2,
			.changes = { SET(symbols[0].st_size, UINT64_MAX) } },
	{ .what = "code behind", .shift = -1 },
	{ .what = "last byte",
			.named = "crafted+0x5",
			.shift = -4,
			.changes = { SET(symbols[0].st_size, 5) } },
	{ .what = "longest",
			.named = "crafted+0x1",
			.changes = { SET(symbols[0].st_size, UINT64_MAX) } },
	{ .what = "code at 0",
			.at_0 = true,
			.named = "crafted+0x",
			.changes = { SET(symbols[0].st_value, 0),
					SET(symbols[0].st_size, UINT64_MAX) } },
	{ .what = "nothing is the name",
			.changes = { SET(symbols[0].st_name, sizeof(NAMES) - 1) } },
	{ .what = "nothing is the first name",
			.changes = { SET(symbols[0].st_name, sizeof(NAMES) - 1),
					SET(sections[1].sh_size, 2 * sizeof(Elf64_Sym)) } },
	{ .what = "name beyond", .changes = { SET(symbols[0].st_name, sizeof(NAMES)) } },
	{ .what = "end of a name", .named = "ted+0x1", .changes = { SET(symbols[0].st_name, 5) } },
	{ .what = "second symbol",
			.named = "rafted+0x1",
			.shift = 1,
			.changes = { SET(sections[1].sh_size, 2 * sizeof(Elf64_Sym)) } },
	{ .what = "second symbol cut",
			.shift = 1,
			.changes = { SET(sections[1].sh_size, 2 * sizeof(Elf64_Sym) - 1) } },
	{ .what = "first of two symbols",
			.named = "crafted+0x1",
			.changes = { SET(sections[1].sh_size, 2 * sizeof(Elf64_Sym)) } },
};

/* Compose a file whose code is at that address. */
static void
compose(struct image *f, uint64_t at, const struct crafted *c)
{
	Elf64_Shdr *symbols = &f->sections[1 + c->move];
	Elf64_Shdr *names = &f->sections[c->move > 0 ? 1 : 2];
	unsigned int i;

	memset(f, 0, sizeof(*f));
	memcpy(f->header.e_ident, ELFMAG, SELFMAG);
	f->header.e_ident[EI_CLASS] = ELFCLASS64;
	f->header.e_shoff = offsetof(struct image, sections);
	f->header.e_shentsize = sizeof(Elf64_Shdr);
	f->header.e_shnum = RTE_DIM(f->sections);
	symbols->sh_type = SHT_SYMTAB;
	symbols->sh_link = names - f->sections;
	symbols->sh_offset = offsetof(struct image, symbols);
	symbols->sh_size = sizeof(Elf64_Sym);
	names->sh_type = SHT_STRTAB;
	names->sh_offset = offsetof(struct image, names);
	names->sh_size = sizeof(NAMES);
	memcpy(f->names, NAMES, sizeof(NAMES));
	memset(f->behind, 'x', sizeof(f->behind) - 1);
	for (i = 0; i < RTE_DIM(f->symbols); i++) {
		f->symbols[i].st_info = ELF64_ST_INFO(STB_LOCAL, STT_FUNC);
		f->symbols[i].st_name = 1 + i;
		f->symbols[i].st_value = i == 0 ? at + c->shift : at;
		f->symbols[i].st_size = 1;
	}
	for (i = 0; i < RTE_DIM(c->changes) && c->changes[i].size != 0; i++)
		memcpy((uint8_t *)f + c->changes[i].at, &c->changes[i].value, c->changes[i].size);
}

static void
assert_symbol(const char *what, const uint8_t *code, const char *expected)
{
	char symbol[160];

	assert_true(dma_symbol(code + 1, symbol, sizeof(symbol))); /* as a return address */
	if (strcmp(symbol, expected) != 0)
		fail_msg("%s: %s, not %s", what, symbol, expected);
}

/* The file may have been replaced since it was loaded, by any other one. */
static void
names_come_from_valid_parts_of_the_file_alone(void **state)
{
	const void *(*hidden_code)(void);
	char path[64], expected[64], none[64];
	static struct image f;
	const uint8_t *code;
	struct link_map *map;
	unsigned int i, mappings;
	Dl_info info;
	uint64_t at;
	int fds;

	*(void **)&hidden_code = dlsym(load_as("file.so", path, sizeof(path)), "hidden_code");
	assert_non_null(hidden_code);
	code = hidden_code();
	assert_int_not_equal(dladdr1(code, &info, (void **)&map, RTLD_DL_LINKMAP), 0);
	at = (uintptr_t)code - map->l_addr;
	snprintf(none, sizeof(none), "file.so+0x%lx", at + 1);
	assert_symbol("as loaded", code, "hidden+0x1 (file.so)");
	fds = count_fds();
	mappings = count_mappings(folder);
	for (i = 0; i < RTE_DIM(files); i++) {
		assert_int_equal(unlink(path), 0);
		compose(&f, at, &files[i]);
		write_file(path, &f, sizeof(f) - files[i].cut);
		if (files[i].at_0)
			snprintf(expected, sizeof(expected), "%s%lx (file.so)", files[i].named,
					at + 1);
		else
			snprintf(expected, sizeof(expected), "%s (file.so)", files[i].named);
		assert_symbol(files[i].what, code, files[i].named != NULL ? expected : none);
	}
	assert_int_equal(unlink(path), 0);
	assert_symbol("no file", code, none);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_symbol("a folder", code, none);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(count_fds(), fds);
	assert_int_equal(count_mappings(folder), mappings);
}

/* A program may run without standard input: its first file is descriptor 0. */
static void
file_may_be_descriptor_0(void **state)
{
	const void *(*hidden_code)(void);
	const int input = dup(STDIN_FILENO);
	char path[64], symbol[160];
	bool found;

	*(void **)&hidden_code = dlsym(load_as("zero.so", path, sizeof(path)), "hidden_code");
	assert_non_null(hidden_code);
	close(STDIN_FILENO);
	found = dma_symbol((const uint8_t *)hidden_code() + 1, symbol, sizeof(symbol));
	assert_int_equal(fcntl(STDIN_FILENO, F_GETFD), -1);
	if (input >= 0) {
		assert_int_equal(dup2(input, STDIN_FILENO), STDIN_FILENO);
		close(input);
	}
	assert_true(found);
	assert_string_equal(symbol, "hidden+0x1 (zero.so)");
}

/* A file that has no table of symbols still exports names. */
static void
exported_function_is_named_in_all_its_bytes(void **state)
{
	char path[64], symbol[160], expected[160];
	const uint8_t *code = dlsym(load_as("exports.so", path, sizeof(path)), "plain");
	Elf64_Sym *sym;
	Dl_info info;

	assert_non_null(code);
	assert_int_not_equal(dladdr1(code, &info, (void **)&sym, RTLD_DL_SYMENT), 0);
	assert_int_equal(unlink(path), 0);
	assert_symbol("first byte", code, "plain+0x1 (exports.so)");
	snprintf(expected, sizeof(expected), "plain+0x%lx (exports.so)", sym->st_size);
	assert_symbol("last byte", code + sym->st_size - 1, expected);
	assert_true(dma_symbol(code + sym->st_size + 1, symbol, sizeof(symbol)));
	assert_null(strstr(symbol, "plain"));
}

static void
code_without_a_file_is_an_address(void **state)
{
	char symbol[32], expected[32];

	assert_false(dma_symbol((const void *)(uintptr_t)0x1000, symbol, sizeof(symbol)));
	assert_string_equal(symbol, "0x1000");
	assert_false(dma_symbol(NULL, symbol, sizeof(symbol)));
	snprintf(expected, sizeof(expected), "%p", NULL);
	assert_string_equal(symbol, expected);
}

static int
make_folder(void **state)
{
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int
remove_folder(void **state)
{
	struct dirent *e;
	DIR *dir = opendir(folder);

	assert_non_null(dir);
	while ((e = readdir(dir)) != NULL)
		unlinkat(dirfd(dir), e->d_name, 0);
	closedir(dir);
	return rmdir(folder);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(code_of_a_library_is_known_by_its_names),
		cmocka_unit_test(names_come_from_valid_parts_of_the_file_alone),
		cmocka_unit_test(file_may_be_descriptor_0),
		cmocka_unit_test(exported_function_is_named_in_all_its_bytes),
		cmocka_unit_test(code_without_a_file_is_an_address),
	};

	return cmocka_run_group_tests_name("dma_symbol", tests, make_folder, remove_folder);
}
