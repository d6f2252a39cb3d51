/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The handler of SIGBUS (sigbus.c): which memory it replaces, of which server, and which signals
 * the handler before it gets.
 *
 * Most signals of this test are sent to its own thread, with the address and the code that the
 * kernel would give. So the test chooses each address, also one whose page exists. The linker
 * redirects mmap() to this file: it notes what the handler replaces.
 */

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include <linux/magic.h>
#include "vfu_test.h"

#define PAGE     0x1000u
#define UNIT     0x200000u /* the least window */
#define REPLACED 0x400000u
#define HUGE     0x800000u /* page of the file system that the test plays */

static struct device dev;

static struct {
	unsigned int calls;
	void *at;
	size_t len;
	bool fail, only_note;
} replaced;

static void *mapped_here; /* the last file of the client */
static bool is_huge;      /* the files of the client have pages of HUGE bytes */

/* The handler that was installed before the one under test. */
static struct {
	unsigned int calls;
	int sig, code, error;
	void *at, *context;
} former;

void *__real_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t offset);
int __real_fstatfs64(int fd, struct statfs *fs);
int __wrap_fstatfs64(int fd, struct statfs *fs);

void *
__wrap_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	uint8_t *p;

	if (flags & MAP_FIXED) { /* by the handler */
		replaced.calls++;
		replaced.at = at;
		replaced.len = len;
		errno = EDOM;
		if (replaced.fail)
			return MAP_FAILED;
		return replaced.only_note ? at : __real_mmap64(at, len, prot, flags, fd, offset);
	}
	if (!is_huge || fd < 0)
		return mapped_here = __real_mmap64(at, len, prot, flags, fd, offset);
	/* A mapping of huge pages begins at a multiple of their size. */
	p = __real_mmap64(NULL, len + HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return MAP_FAILED;
	at = p + (HUGE - (uintptr_t)p % HUGE) % HUGE;
	if (at != p)
		munmap(p, (size_t)((uint8_t *)at - p));
	munmap((uint8_t *)at + len, (size_t)(p + HUGE - (uint8_t *)at));
	return __real_mmap64(at, len, prot, flags | MAP_FIXED, fd, offset);
}

int
__wrap_fstatfs64(int fd, struct statfs *fs)
{
	int ret = __real_fstatfs64(fd, fs);

	if (ret == 0 && is_huge) {
		fs->f_type = HUGETLBFS_MAGIC;
		fs->f_bsize = HUGE;
	}
	return ret;
}

static int sent_code;

/* Send this thread a signal as the kernel sends it after an access to the address. */
static void
send_sigbus(const void *at, int code)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = SIGBUS;
	info.si_code = sent_code = code;
	info.si_addr = (void *)(uintptr_t)at;
	errno = ERANGE;
	assert_int_equal(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGBUS, &info), 0);
	assert_int_equal(errno, ERANGE); /* the handler restores it */
}

static void
note_former(int sig)
{
	former.calls++;
	former.sig = sig;
	former.error = errno;
}

static void
note_former_info(int sig, siginfo_t *info, void *context)
{
	note_former(sig);
	former.code = info->si_code;
	former.at = info->si_addr;
	former.context = context;
}

/* Call it in a test: cmocka installs handlers of its own when a test begins. */
static void
install(void (*handler)(int sig, siginfo_t *info, void *context))
{
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };

	assert_int_equal(sigaction(SIGBUS, &sa, NULL), 0);
}

/* Fail the test unless the handler replaces exactly this part. */
static void
assert_replaces(const void *at, const void *first, size_t len)
{
	uint64_t faults = device_faults(&dev);

	memset(&former, 0, sizeof(former));
	replaced.calls = 0;
	send_sigbus(at, BUS_ADRERR);
	assert_int_equal(former.calls, 0);
	assert_int_equal(replaced.calls, 1);
	assert_ptr_equal(replaced.at, first);
	assert_int_equal(replaced.len, len);
	assert_int_equal(device_faults(&dev), faults + 1);
	assert_true(vfu_server_dma_poisoned(dev.server));
}

/* Fail the test unless the handler passes the signal on, and does nothing else. */
static void
assert_passes_on(const void *at, int code)
{
	uint64_t faults = device_faults(&dev);

	memset(&former, 0, sizeof(former));
	replaced.calls = 0;
	send_sigbus(at, code);
	assert_int_equal(former.calls, 1);
	assert_int_equal(former.sig, SIGBUS);
	assert_int_equal(former.error, ERANGE);
	assert_int_equal(replaced.calls, 0);
	assert_int_equal(device_faults(&dev), faults);
}

static int
setup(void **state)
{
	memset(&replaced, 0, sizeof(replaced));
	replaced.only_note = true;
	is_huge = false;
	return 0;
}

/* End a test. The thread is online, so that the server has not yet dropped the client. */
static void
end(int sock)
{
	vfu_rcu_quiescent();
	vfu_rcu_offline();
	wait_until(is_forgotten(&dev));
	assert_string_equal(dev.why, "client truncated memory that it had shared");
	close(sock);
	device_stop(&dev);
}

/*
 * The part begins with the page of the access, and ends with the window or after 4 MiB. The first
 * range has no window.
 */
static void
replaced_part_is_bounded(void **state)
{
	int s, mem = memory_file(3 * REPLACED);
	uint8_t *small, *large;

	install(note_former_info);
	device_start(&dev);
	s = raw_attach(&dev);
	assert_int_equal(raw_map(s, -1, 0, 0, PAGE, RW), 0);
	assert_int_equal(raw_map(s, mem, UNIT + 2 * PAGE, 0x100000, PAGE, RW), 0);
	assert_int_equal(raw_map(s, mem, 0, 0x10000000, 3 * REPLACED, RW), 0);
	vfu_rcu_online();
	small = vfu_dma_ptr(dev.server, 0x100000, PAGE, RW);
	large = vfu_dma_ptr(dev.server, 0x10000000, 3 * REPLACED, RW);
	assert_non_null(small);
	assert_non_null(large);
	small -= 2 * PAGE; /* a window is a whole unit of the file */

	assert_replaces(small, small, UNIT);
	assert_replaces(small + 1, small, UNIT);
	assert_replaces(small + PAGE - 1, small, UNIT);
	assert_replaces(small + PAGE, small + PAGE, UNIT - PAGE);
	assert_replaces(small + UNIT - 1, small + UNIT - PAGE, PAGE);
	assert_replaces(large, large, REPLACED);
	assert_replaces(large + 2 * REPLACED - 1, large + 2 * REPLACED - PAGE, REPLACED);
	assert_replaces(large + 2 * REPLACED, large + 2 * REPLACED, REPLACED);
	assert_replaces(large + 2 * REPLACED + PAGE, large + 2 * REPLACED + PAGE, REPLACED - PAGE);
	assert_replaces(large + 3 * REPLACED - 1, large + 3 * REPLACED - PAGE, PAGE);
	/* The address next to a window belongs to no client, unless the other window is there. */
	if (small + UNIT != large)
		assert_passes_on(small + UNIT, BUS_ADRERR);
	if (large + 3 * REPLACED != small)
		assert_passes_on(large + 3 * REPLACED, BUS_ADRERR);
	if (large + 3 * REPLACED != small)
		assert_passes_on(small - 1, BUS_ADRERR);
	if (small + UNIT != large)
		assert_passes_on(large - 1, BUS_ADRERR);
	assert_ptr_equal(former.at, small + UNIT != large ? large - 1 : small - 1);
	assert_int_equal(former.code, BUS_ADRERR);
	assert_non_null(former.context);
	close(mem);
	end(s);
}

/* A huge page can only be replaced whole. It is not charged, because it was set aside before. */
static void
huge_page_is_replaced_whole(void **state)
{
	const struct vfu_limits limits = { .max_mem = UNIT };
	int s, mem = memory_file(2 * HUGE);
	uint8_t *p;

	install(note_former_info);
	device_start_limits(&dev, SOON_MS, &limits);
	s = raw_attach(&dev);
	is_huge = true;
	assert_int_equal(raw_map(s, mem, HUGE - PAGE, 0, 2 * PAGE, RW), 0);
	vfu_rcu_online();
	p = vfu_dma_ptr(dev.server, 0, 2 * PAGE, RW);
	assert_non_null(p);
	p -= HUGE - PAGE;
	assert_int_equal((uintptr_t)p % HUGE, 0);
	assert_replaces(p + HUGE - PAGE, p, HUGE);
	assert_replaces(p + HUGE, p + HUGE, HUGE);
	is_huge = false;
	close(mem);
	end(s);
}

/* The table is replaced as a whole, whichever entry was loaded. */
static void
page_table_is_replaced_whole(void **state)
{
	static const char caps[] = "\0\0\1\0{\"capabilities\":{\"" VFU_CAP_IO_PAGE_TABLE "\":1}}";
	const size_t len = 2 * PAGE;
	struct vfio_user_io_page_table table = { sizeof(table), 0, 0, len / 8 };
	int s, mem = memfd_create("page-table", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	uint8_t *at;

	install(note_former_info);
	device_start(&dev);
	s = raw_connect(dev.path);
	assert_int_equal(raw_command(s, VFIO_USER_VERSION, caps, sizeof(caps)), 0);
	assert_int_equal(ftruncate(mem, (off_t)len), 0);
	assert_int_equal(fcntl(mem, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(raw_command_fd(s, VFIO_USER_IO_PAGE_TABLE, &table, sizeof(table), mem), 0);
	at = mapped_here;
	vfu_rcu_online();
	assert_null(vfu_dma_ptr(dev.server, 0, 1, VFU_DMA_READ));
	assert_replaces(at, at, len);
	assert_replaces(at + len - 1, at, len);
	assert_passes_on(at - 1, BUS_ADRERR);
	assert_passes_on(at + len, BUS_ADRERR);
	close(mem);
	end(s);
}

/* The pages in front of the access keep their data; those that are replaced read as zero. */
static void
memory_in_front_of_the_access_stays(void **state)
{
	int s, mem = memory_file(3 * REPLACED);
	volatile uint8_t *p;
	uint64_t faults;

	install(note_former_info);
	device_start(&dev);
	replaced.only_note = false;
	s = raw_attach(&dev);
	assert_int_equal(raw_map(s, mem, 0, 0, 3 * REPLACED, RW), 0);
	faults = device_faults(&dev);
	vfu_rcu_online();
	p = vfu_dma_ptr(dev.server, 0, 3 * REPLACED, RW);
	assert_non_null(p);
	p[0] = 1;
	p[2 * PAGE - 1] = 2;
	assert_int_equal(ftruncate(mem, 2 * PAGE), 0);
	p[3 * PAGE + 5] = 7;
	assert_int_equal(replaced.calls, 1);
	assert_int_equal(p[3 * PAGE + 5], 7);
	assert_int_equal(p[3 * PAGE + REPLACED - 1], 0);
	assert_int_equal(replaced.calls, 1);
	assert_int_equal(p[3 * PAGE + REPLACED], 0);
	assert_int_equal(p[2 * PAGE], 0); /* from here on up to the first access: one more */
	assert_int_equal(replaced.calls, 3);
	assert_int_equal(p[0], 1);
	assert_int_equal(p[2 * PAGE - 1], 2);
	assert_int_equal(device_faults(&dev), faults + 3);
	close(mem);
	end(s);
}

/* The server removes a mapping, and waits for the thread that has found it before. */
static void
replaced_table_is_also_searched(void **state)
{
	struct {
		struct vfio_user_header h;
		struct vfio_user_dma_unmap u;
	} unmap = {
		.h = { .cmd = VFIO_USER_DMA_UNMAP, .msg_size = sizeof(unmap) },
		.u = { sizeof(unmap.u), 0, UNIT, PAGE },
	};
	int s, mem = memory_file(PAGE), other = memory_file(PAGE);
	struct vfu_server_stats st;
	uint8_t *p;

	install(note_former_info);
	device_start(&dev);
	s = raw_attach(&dev);
	assert_int_equal(raw_map(s, other, 0, 0, PAGE, RW), 0);
	assert_int_equal(raw_map(s, mem, 0, UNIT, PAGE, RW), 0);
	vfu_rcu_online();
	p = vfu_dma_ptr(dev.server, UNIT, PAGE, RW);
	assert_non_null(p);
	raw_send(s, &unmap, sizeof(unmap), NULL, 0);
	wait_until((vfu_server_get_stats(dev.server, &st), st.dma_maps == 1));
	assert_null(vfu_dma_ptr(dev.server, UNIT, PAGE, RW));
	assert_replaces(p, p, UNIT);
	close(mem);
	close(other);
	end(s);
}

/* The thread touched another server last, and has the pointer from before. */
static void
fault_is_attributed_to_the_server_of_the_memory(void **state)
{
	struct device others[2];
	int s, mem = memory_file(PAGE), socks[2];
	uint8_t *p[2], *first;

	install(note_former_info);
	device_start(&dev); /* the first one that the handler knows */
	device_start(&others[0]);
	device_start(&others[1]);
	s = raw_attach(&dev);
	assert_int_equal(raw_map(s, mem, 0, 0, PAGE, RW), 0);
	for (unsigned int i = 0; i < 2; i++) {
		socks[i] = raw_attach(&others[i]);
		assert_int_equal(raw_map(socks[i], mem, 0, 0, PAGE, RW), 0);
	}
	vfu_rcu_online();
	first = vfu_dma_ptr(dev.server, 0, PAGE, RW);
	for (unsigned int i = 0; i < 2; i++) {
		p[i] = vfu_dma_ptr(others[i].server, 0, PAGE, RW);
		assert_non_null(p[i]);
		assert_replaces(first, first, UNIT);
	}
	for (unsigned int i = 0; i < 2; i++) {
		assert_false(vfu_server_dma_poisoned(others[i].server));
		assert_int_equal(device_faults(&others[i]), 0);
		assert_int_equal(others[i].detached, 0);
	}
	/* Without that server the handler does not search its tables. */
	end(s);
	replaced.calls = 0;
	send_sigbus(first, BUS_ADRERR);
	assert_int_equal(replaced.calls, 0);
	assert_int_equal(former.calls, 1);
	for (unsigned int i = 0; i < 2; i++) {
		close(socks[i]);
		wait_until(is_forgotten(&others[i]));
		device_stop(&others[i]);
	}
	close(mem);
}

static const void *shared;

/* A reader of no device, and a thread that is no reader, have no pointers of the server. */
static void *
send_from_thread(void *arg)
{
	assert_passes_on(shared, BUS_ADRERR); /* it touched no memory */
	vfu_rcu_register();
	vfu_rcu_only(NULL, 0);
	assert_null(vfu_dma_ptr(dev.server, 16 * UNIT, 1, VFU_DMA_READ));
	assert_int_equal(vfu_dma_write(dev.server, 16 * UNIT, arg, 1), -EFAULT);
	assert_passes_on(shared, BUS_ADRERR);
	vfu_rcu_unregister();
	assert_passes_on(shared, BUS_ADRERR);
	return NULL;
}

static void *
send_from_idle_reader(void *arg)
{
	vfu_rcu_register();
	assert_passes_on(shared, BUS_ADRERR);
	vfu_rcu_unregister();
	return NULL;
}

static void
signals_of_other_origin_go_to_the_handler_before(void **state)
{
	int s, mem = memory_file(PAGE);
	pthread_t t;
	uint8_t *p;

	install(note_former_info);
	device_start(&dev);
	s = raw_attach(&dev);
	assert_int_equal(raw_map(s, mem, 0, 0, PAGE, RW), 0);
	vfu_rcu_online();
	p = vfu_dma_ptr(dev.server, 0, PAGE, RW);
	assert_non_null(p);
	for (int code = SI_QUEUE; code <= SI_USER; code++) { /* of sigqueue() and kill() */
		assert_passes_on(p, code);
		assert_int_equal(former.code, code);
	}
	assert_passes_on(&dev, BUS_ADRERR); /* no memory of a client */
	assert_ptr_equal(former.at, &dev);
	shared = p;
	assert_int_equal(pthread_create(&t, NULL, send_from_thread, &dev), 0);
	pthread_join(t, NULL);
	assert_int_equal(pthread_create(&t, NULL, send_from_idle_reader, NULL), 0);
	pthread_join(t, NULL);
	/* If the memory cannot be replaced, the access cannot be repeated. */
	replaced.fail = true;
	memset(&former, 0, sizeof(former));
	send_sigbus(p, BUS_ADRERR);
	assert_int_equal(replaced.calls, 1);
	assert_int_equal(former.calls, 1);
	assert_int_equal(former.error, ERANGE);
	assert_ptr_equal(former.at, p);
	replaced.fail = false;
	assert_replaces(p, p, UNIT);
	close(mem);
	end(s);
}

/* The program installs a handler, with and without SA_SIGINFO, and starts another server. */
static void
newest_handler_of_the_program_gets_the_signal(void **state)
{
	struct sigaction plain = { .sa_handler = note_former };
	struct device first;

	install(note_former_info);
	device_start(&first);
	assert_int_equal(sigaction(SIGBUS, &plain, NULL), 0);
	device_start(&dev);
	memset(&former, 0, sizeof(former));
	for (unsigned int i = 1; i <= 2; i++) {
		assert_int_equal(raise(SIGBUS), 0);
		assert_int_equal(former.calls, i);
		assert_int_equal(former.sig, SIGBUS);
		assert_null(former.context);
	}
	device_stop(&dev);
	install(note_former_info);
	device_start(&dev);
	for (unsigned int i = 3; i <= 4; i++) {
		assert_int_equal(raise(SIGBUS), 0);
		assert_int_equal(former.calls, i);
		assert_non_null(former.context);
	}
	device_stop(&dev);
	device_stop(&first);
}

static void (*under_test)(int sig, siginfo_t *info, void *context);

static void
call_handler_under_test(int sig, siginfo_t *info, void *context)
{
	under_test(sig, info, context);
}

static void
call_handler_under_test_without_info(int sig)
{
	siginfo_t info = { .si_signo = sig, .si_code = sent_code };

	under_test(sig, &info, NULL);
}

/* Return the signal that ends a process to which this one is sent; 0: the process survives. */
static int
killed_by(const void *at, int code, unsigned int times)
{
	const pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		for (unsigned int i = 0; i < times; i++)
			send_sigbus(at, code);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/*
 * If the program ignores the signal, or has no handler, the process ends. So it does if the
 * handler before calls the one under test, which must not call it again.
 */
static void
process_without_another_handler_ends(void **state)
{
	const struct sigaction formers[] = {
		{ .sa_handler = SIG_DFL },
		{ .sa_handler = SIG_IGN },
		{ .sa_sigaction = call_handler_under_test, .sa_flags = SA_SIGINFO },
		{ .sa_handler = call_handler_under_test_without_info },
	};
	struct sigaction now;

	for (unsigned int i = 0; i < sizeof(formers) / sizeof(formers[0]); i++) {
		assert_int_equal(sigaction(SIGBUS, &formers[i], NULL), 0);
		device_start(&dev);
		assert_int_equal(sigaction(SIGBUS, NULL, &now), 0);
		under_test = now.sa_sigaction;
		assert_int_equal(killed_by(NULL, SI_USER, 1), SIGBUS);
		/* The access is repeated, and then ends the process. */
		assert_int_equal(killed_by(&dev, BUS_ADRERR, 1), 0);
		assert_int_equal(killed_by(&dev, BUS_ADRERR, 2), SIGBUS);
		device_stop(&dev);
	}
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
		T(replaced_part_is_bounded),
		T(huge_page_is_replaced_whole),
		T(page_table_is_replaced_whole),
		T(memory_in_front_of_the_access_stays),
		T(replaced_table_is_also_searched),
		T(fault_is_attributed_to_the_server_of_the_memory),
		T(signals_of_other_origin_go_to_the_handler_before),
		T(newest_handler_of_the_program_gets_the_signal),
		T(process_without_another_handler_ends),
	};
	int ret;

	vfu_rcu_register();
	vfu_rcu_offline();
	ret = cmocka_run_group_tests_name("vfio_user_sigbus", tests, NULL, NULL);
	vfu_rcu_unregister();
	return ret;
}
