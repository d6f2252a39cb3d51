/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the vfio-user bus in secondary processes (vfio_user_mp.c), both sides of it in one
 * process. The linker replaces the IPC of EAL by the functions below (--wrap): a request of the
 * secondary side goes at once to the answer of the primary side. A case may change both on the way,
 * byte by byte, as a primary process of another version would.
 *
 *     vfio_user_mp_list(), _attach()  -->  rte_mp_request_sync()  -->  on_request()
 *                                                                      answer()
 *                                          rte_mp_reply()  <--------   on_reply()
 */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_bus.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "../common/fds.h"
#include "vfio_user_private.h"

#define PAGE  4096u
#define PAGES 8
#define AREAS RTE_DIM(((struct rte_vfio_user_bar *)0)->maps)

int vfio_user_logtype;

/* The clock of the program: it stands still between requests. */
static struct timespec now;

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	*ts = now;
	return 0;
}

/* The messages, as the two processes exchange them. */
enum { LIST, DEVICE, MAP };

struct request {
	uint32_t tag, what, bar, index;
	char name[RTE_DEV_NAME_MAX_LEN];
};

struct reply {
	uint32_t tag;
	int32_t ret;
	union {
		char name[RTE_DEV_NAME_MAX_LEN];
		struct {
			struct rte_pci_id id;
			struct {
				uint64_t bus_addr, size;
				uint8_t is_io, is_64, nr_maps;
			} bars[VFIO_USER_MAX_BARS];
		};
		struct {
			uint64_t offset, size, addr, fd_offset;
		};
	};
};

static rte_mp_t answer; /* registered once in a process */
static struct {
	unsigned int registered, requests;
	int error; /* what registering, or sending, fails with */
	bool fails;
	int nb_received; /* replies to a request */
	void (*on_request)(struct rte_mp_msg *msg);
	void (*on_reply)(struct rte_mp_msg *msg);
	struct rte_mp_msg *to;
	int replied; /* the result of rte_mp_reply() */
} ipc;

int __wrap_rte_mp_action_register(const char *name, rte_mp_t action);
int __wrap_rte_mp_reply(struct rte_mp_msg *msg, const char *peer);
int __wrap_rte_mp_request_sync(struct rte_mp_msg *req, struct rte_mp_reply *reply,
		const struct timespec *ts);

int
__wrap_rte_mp_action_register(const char *name, rte_mp_t action)
{
	assert_string_equal(name, "bus_vfio_user");
	ipc.registered++;
	answer = action;
	rte_errno = ipc.error;
	return ipc.fails ? -1 : 0;
}

/* The descriptors that travel are others than those that the sender closes. */
int
__wrap_rte_mp_reply(struct rte_mp_msg *msg, const char *peer)
{
	int i;

	assert_string_equal(peer, "peer");
	*ipc.to = *msg;
	for (i = 0; i < msg->num_fds; i++) {
		assert_true(fcntl(msg->fds[i], F_GETFD) & FD_CLOEXEC);
		ipc.to->fds[i] = dup(msg->fds[i]);
	}
	return ipc.replied;
}

int
__wrap_rte_mp_request_sync(struct rte_mp_msg *req, struct rte_mp_reply *reply,
		const struct timespec *ts)
{
	assert_string_equal(req->name, "bus_vfio_user");
	assert_int_equal(ts->tv_sec, 5);
	ipc.requests++;
	rte_errno = ipc.error;
	if (ipc.fails)
		return -1;
	reply->nb_sent = 1;
	reply->nb_received = ipc.nb_received;
	reply->msgs = calloc(1, sizeof(*reply->msgs));
	assert_non_null(reply->msgs);
	ipc.to = reply->msgs;
	if (ipc.on_request != NULL)
		ipc.on_request(req);
	assert_int_equal(answer(req, "peer"), ipc.replied);
	assert_string_equal(reply->msgs->name, "bus_vfio_user");
	if (ipc.on_reply != NULL)
		ipc.on_reply(reply->msgs);
	return 0;
}

/*
 * The primary process: two devices of this bus, and between them one that another bus owns.
 */

static struct rte_bus this_bus = { .name = "vfio_user" }, other_bus = { .name = "vdev" };
static struct rte_device other_owner = { .name = "/owned", .bus = &other_bus };
static struct rte_vfio_user_device devs[3];
static struct vfio_user_priv privs[3];
static int file;
static uint8_t *room;                    /* addresses at which nothing is mapped */
static struct rte_vfio_user_device here; /* the device in the secondary process */
static struct rte_device here_owner;
static int fds_before;

static struct rte_vfio_user_bar *
bar(unsigned int i)
{
	return &devs[0].bars[i];
}

static void
add_area(unsigned int b, uint64_t offset, uint64_t size, void *addr)
{
	const unsigned int i = bar(b)->nr_maps++;

	bar(b)->maps[i].offset = offset;
	bar(b)->maps[i].size = size;
	bar(b)->maps[i].addr = addr;
}

static int
devices_new(void **state)
{
	static const char *const names[] = { "/first", NULL, "/last" };
	uint8_t page[PAGE];
	unsigned int i, b;

	memset(devs, 0, sizeof(devs));
	memset(privs, 0, sizeof(privs));
	memset(&here, 0, sizeof(here));
	now = (struct timespec){ .tv_sec = 100, .tv_nsec = 1000000 };
	file = memfd_create("bar", MFD_CLOEXEC);
	assert_true(file >= 0);
	for (i = 0; i < PAGES; i++) {
		memset(page, 'a' + (int)i, sizeof(page));
		assert_int_equal(write(file, page, sizeof(page)), sizeof(page));
	}
	room = mmap(NULL, 16 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(room, MAP_FAILED);
	assert_int_equal(munmap(room, 16 * PAGE), 0);
	for (i = 0; i < RTE_DIM(devs); i++) {
		devs[i].device.bus = &this_bus;
		devs[i].device.name = names[i];
		devs[i].owner = names[i] != NULL ? &devs[i].device : &other_owner;
		devs[i].bus_private = &privs[i];
		privs[i].dev = &devs[i];
		for (b = 0; b < VFIO_USER_MAX_BARS; b++)
			privs[i].bar_files[b].fd = -1;
		vfio_user_mp_show(&privs[i]);
	}
	here_owner = (struct rte_device){ .name = "/first" };
	here.owner = &here_owner;
	here.path = (char *)(uintptr_t) "/first";
	memset(&ipc, 0, sizeof(ipc));
	ipc.nb_received = 1;
	fds_before = count_fds();
	return 0;
}

static int
devices_gone(void **state)
{
	unsigned int i, m;

	for (i = 0; i < VFIO_USER_MAX_BARS; i++) {
		for (m = 0; m < here.bars[i].nr_maps; m++)
			munmap(here.bars[i].maps[m].addr, here.bars[i].maps[m].size);
	}
	for (i = 0; i < RTE_DIM(devs); i++)
		vfio_user_mp_hide(&privs[i]);
	assert_int_equal(count_fds(), fds_before);
	close(file);
	return 0;
}

/* Return whether the bus logs `what` while it calls f(). */
static bool
logs(const char *what, void (*f)(void))
{
	char *text = NULL;
	size_t len = 0;
	FILE *log = open_memstream(&text, &len);
	bool found;

	assert_non_null(log);
	rte_openlog_stream(log);
	f();
	rte_openlog_stream(NULL);
	fclose(log);
	found = strstr(text, what) != NULL;
	free(text);
	return found;
}

/*
 * The primary process.
 */

static void
requests_are_answered_from_the_first_success_on(void **state)
{
	ipc.fails = true;
	ipc.error = EBUSY;
	assert_true(logs("secondary processes cannot use vfio-user devices", vfio_user_mp_serve));
	assert_int_equal(ipc.registered, 1);
	ipc.fails = false;
	assert_false(logs("secondary", vfio_user_mp_serve));
	assert_int_equal(ipc.registered, 2);
	assert_false(logs("secondary", vfio_user_mp_serve));
	assert_int_equal(ipc.registered, 2);
}

/* The bus registers once in a process, so that this case has a process of its own. */
static void
without_ipc_there_is_nothing_to_serve(void **state)
{
	ipc.fails = true;
	ipc.error = ENOTSUP;
	assert_false(logs("secondary", vfio_user_mp_serve));
	vfio_user_mp_serve();
	assert_int_equal(ipc.registered, 1);
}

/* Send a request by hand. @return the result in the reply */
static int
answer_to(const void *request, size_t len, int num_fds, struct rte_mp_msg *in)
{
	struct rte_mp_msg msg = { .name = "bus_vfio_user", .len_param = (int)len };
	struct reply r;

	memcpy(msg.param, request, RTE_MIN(len, sizeof(msg.param)));
	msg.num_fds = num_fds;
	ipc.to = in;
	assert_int_equal(answer(&msg, "peer"), ipc.replied);
	assert_int_equal(in->len_param, sizeof(r));
	assert_string_equal(in->name, "bus_vfio_user");
	memcpy(&r, in->param, sizeof(r));
	if (len == sizeof(struct request) && num_fds == 0)
		assert_int_equal(r.tag, ((const struct request *)request)->tag);
	return r.ret;
}

/* The same, for requests that must be refused: no descriptor comes with the reply. */
static int
refusal_of(const struct request *q)
{
	struct rte_mp_msg in;
	const int ret = answer_to(q, sizeof(*q), 0, &in);

	assert_int_equal(in.num_fds, 0);
	return ret;
}

static void
invalid_requests_are_refused(void **state)
{
	struct request q = { .tag = 7, .what = MAP, .name = "/first" };
	struct rte_mp_msg in;
	uint8_t longer[sizeof(q) + 1] = { 0 };

	add_area(5, 0, PAGE, room);
	privs[0].bar_files[5].fd = file;
	q.bar = 5;
	assert_int_equal(answer_to(&q, sizeof(q), 0, &in), 0);
	assert_int_equal(in.num_fds, 1);
	close(in.fds[0]);
	assert_int_equal(answer_to(&q, sizeof(q) - 1, 0, &in), -EINVAL);
	memcpy(longer, &q, sizeof(q));
	assert_int_equal(answer_to(longer, sizeof(longer), 0, &in), -EINVAL);
	assert_int_equal(answer_to(&q, sizeof(q), 1, &in), -EINVAL);
	assert_int_equal(in.num_fds, 0);
	q.index = 1;
	assert_int_equal(refusal_of(&q), -EINVAL);
	q.index = 0;
	q.bar = VFIO_USER_MAX_BARS;
	assert_int_equal(refusal_of(&q), -EINVAL);
	q.bar = 0; /* nothing of it is mapped */
	assert_int_equal(refusal_of(&q), -EINVAL);
	q.bar = 5;
	q.what = MAP + 1;
	assert_int_equal(refusal_of(&q), -EINVAL);
	q.what = DEVICE;
	assert_int_equal(refusal_of(&q), 0);
	strcpy(q.name, "/firs");
	assert_int_equal(refusal_of(&q), -ENODEV);
	memset(q.name, 'x', sizeof(q.name)); /* without an end */
	assert_int_equal(refusal_of(&q), -ENODEV);
	q.what = LIST;
	q.index = 2;
	assert_int_equal(refusal_of(&q), -ENODEV);
}

/* Descriptor 0 is one like the others, if the program has closed its standard input. */
static void
descriptor_0_is_sent_and_closed(void **state)
{
	struct request q = { .what = MAP, .name = "/first" };
	const int input = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	struct rte_mp_msg in;

	add_area(0, 0, PAGE, room);
	privs[0].bar_files[0].fd = file;
	close(STDIN_FILENO);
	assert_int_equal(answer_to(&q, sizeof(q), 0, &in), 0);
	assert_int_equal(fcntl(STDIN_FILENO, F_GETFD), -1);
	assert_int_equal(in.num_fds, 1);
	close(in.fds[0]);
	if (input >= 0) {
		assert_int_equal(dup2(input, STDIN_FILENO), STDIN_FILENO);
		close(input);
	}
}

static void
area_without_a_descriptor_is_an_error(void **state)
{
	struct request q = { .what = MAP, .name = "/first" };

	add_area(0, 0, PAGE, room);
	assert_int_equal(refusal_of(&q), -EBADF);
}

static void
result_of_the_reply_is_returned(void **state)
{
	struct request q = { .what = DEVICE, .name = "/first" };

	ipc.replied = -1;
	assert_int_equal(refusal_of(&q), 0);
}

/*
 * The secondary process: the list of devices.
 */

static char found[512];
static int found_result;

static int
on_found(const char *path)
{
	assert_true(strlen(path) < RTE_DEV_NAME_MAX_LEN);
	snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s ", path);
	return found_result;
}

static int
list(void)
{
	found[0] = '\0';
	ipc.requests = 0;
	return vfio_user_mp_list(on_found);
}

static void
devices_of_this_bus_are_listed(void **state)
{
	assert_int_equal(list(), 0);
	assert_string_equal(found, "/first /last ");
	assert_int_equal(ipc.requests, 3);
	vfio_user_mp_hide(&privs[0]);
	vfio_user_mp_hide(&privs[0]);
	assert_int_equal(list(), 0);
	assert_string_equal(found, "/last ");
	vfio_user_mp_show(&privs[0]);
	assert_int_equal(list(), 0);
	assert_string_equal(found, "/last /first ");
}

static void
list_ends_if_a_device_cannot_be_added(void **state)
{
	found_result = -ENOMEM;
	assert_int_equal(list(), -ENOMEM);
	found_result = 0;
	assert_string_equal(found, "/first ");
	assert_int_equal(ipc.requests, 1);
}

static void
name_without_end(struct rte_mp_msg *msg)
{
	struct reply r;

	memcpy(&r, msg->param, sizeof(r));
	if (r.ret == 0)
		memset(msg->param + offsetof(struct reply, name), 'x', sizeof(r.name));
}

static void
name_of_a_listed_device_gets_an_end(void **state)
{
	ipc.on_reply = name_without_end;
	assert_int_equal(list(), 0);
	assert_int_equal(ipc.requests, 3);
	assert_int_equal(strlen(found), 2 * RTE_DEV_NAME_MAX_LEN);
}

static void
list_in_silence(void)
{
	assert_int_equal(list(), 0);
}

/* The scan of the bus goes on without the devices of the primary process. */
static void
list_that_fails_is_reported_and_empty(void **state)
{
	ipc.fails = true;
	assert_true(logs("the primary process does not list its devices", list_in_silence));
	assert_int_equal(ipc.requests, 1);
	assert_string_equal(found, "");
	ipc.fails = false;
	assert_false(logs("does not list", list_in_silence));
}

/*
 * The secondary process: one device.
 */

static int
attach(void)
{
	ipc.requests = 0;
	return vfio_user_mp_attach(&here);
}

/* Areas at the addresses that they have in the primary process, of the file and at the offset. */
static void
attached_device_has_ids_and_areas(void **state)
{
	const struct rte_pci_id id = { 0x020000, 1, 2, 3, 4 };
	uint8_t byte;

	devs[0].id = id;
	*bar(0) = (struct rte_vfio_user_bar){ .bus_addr = 0xe0000000, .size = 8 * PAGE };
	*bar(2) = (struct rte_vfio_user_bar){ .bus_addr = 0x1000, .size = 32, .is_io = true };
	*bar(4) = (struct rte_vfio_user_bar){ .bus_addr = 1, .size = 4 * PAGE, .is_64 = true };
	add_area(0, 2 * PAGE, PAGE, room);
	add_area(0, 4 * PAGE, 2 * PAGE, room + 3 * PAGE);
	add_area(4, PAGE, PAGE, room + 8 * PAGE);
	privs[0].bar_files[0].fd = file;
	privs[0].bar_files[4].fd = file;
	privs[0].bar_files[4].offset = 6 * PAGE;
	assert_int_equal(attach(), 0);
	assert_int_equal(ipc.requests, 4);
	assert_memory_equal(&here.id, &id, sizeof(id));
	assert_memory_equal(here.bars, devs[0].bars, sizeof(here.bars));
	assert_int_equal(room[0], 'c');
	assert_int_equal(room[3 * PAGE], 'e');
	assert_int_equal(room[5 * PAGE - 1], 'f');
	assert_int_equal(room[8 * PAGE], 'h');
	room[8 * PAGE + 1] = '!'; /* shared, not a copy */
	assert_int_equal(pread(file, &byte, 1, 7 * PAGE + 1), 1);
	assert_int_equal(byte, '!');
	assert_int_equal(count_fds(), fds_before);
}

static void
address_in_use_is_left_alone(void **state)
{
	uint8_t *used = mmap(room + PAGE, PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	assert_ptr_equal(used, room + PAGE);
	used[0] = 1;
	add_area(1, 0, PAGE, room);
	add_area(1, PAGE, PAGE, used);
	add_area(1, 2 * PAGE, PAGE, room + 2 * PAGE);
	privs[0].bar_files[1].fd = file;
	assert_int_equal(attach(), -EEXIST);
	assert_int_equal(used[0], 1);
	/* The bus unmaps the first area when it closes the device. */
	assert_int_equal(here.bars[1].nr_maps, 1);
	assert_int_equal(ipc.requests, 3);
	munmap(used, PAGE);
}

static void
area_that_cannot_be_mapped_is_an_error(void **state)
{
	add_area(0, 0, 0, room);
	privs[0].bar_files[0].fd = file;
	assert_int_equal(attach(), -EINVAL);
	assert_int_equal(here.bars[0].nr_maps, 0);
}

static void
claim_one_area_more(struct rte_mp_msg *msg)
{
	struct reply r;

	if (ipc.requests != 1)
		return;
	memcpy(&r, msg->param, sizeof(r));
	r.bars[3].nr_maps++;
	memcpy(msg->param, &r, sizeof(r));
}

static void
no_more_areas_are_taken_than_have_room(void **state)
{
	unsigned int i;

	for (i = 0; i < AREAS; i++)
		add_area(3, i * PAGE, PAGE, room + i * PAGE);
	privs[0].bar_files[3].fd = file;
	ipc.on_reply = claim_one_area_more;
	assert_int_equal(attach(), 0);
	assert_int_equal(here.bars[3].nr_maps, AREAS);
	assert_int_equal(ipc.requests, 1 + AREAS);
}

static void
attach_in_vain(void)
{
	assert_int_not_equal(attach(), 0);
}

static void
device_that_is_missing_or_taken_is_named(void **state)
{
	here_owner.name = "/missing";
	assert_true(logs("the primary process has no such device", attach_in_vain));
	assert_int_equal(attach(), -ENODEV);
	assert_int_equal(ipc.requests, 1);
	here_owner.name = "/owned"; /* the bus that owns it asks by its name */
	assert_int_equal(attach(), 0);
	here_owner.name = "/first";
	devs[0].is_pci = true;
	assert_true(logs("a PCI driver has it", attach_in_vain));
	assert_int_equal(attach(), -EBUSY);
	ipc.fails = true;
	assert_true(logs("the primary process does not answer", attach_in_vain));
}

static void
name_that_a_request_cannot_hold_is_refused(void **state)
{
	char name[RTE_DEV_NAME_MAX_LEN + 1];

	memset(name, 'x', sizeof(name));
	name[RTE_DEV_NAME_MAX_LEN] = '\0';
	here_owner.name = name;
	assert_int_equal(attach(), -ENAMETOOLONG);
	assert_int_equal(ipc.requests, 0);
	name[RTE_DEV_NAME_MAX_LEN - 1] = '\0';
	assert_int_equal(attach(), -ENODEV);
	assert_int_equal(ipc.requests, 1);
}

/*
 * The secondary process: replies that it must not believe.
 */

static void
request_that_is_not_sent_returns_the_error(void **state)
{
	ipc.fails = true;
	ipc.error = EPIPE;
	assert_int_equal(attach(), -EPIPE);
	ipc.error = 0; /* EAL does not set it for each failure */
	assert_int_equal(attach(), -EIO);
	ipc.fails = false;
	for (ipc.nb_received = 0; ipc.nb_received <= 2; ipc.nb_received += 2)
		assert_int_equal(attach(), -ECONNREFUSED);
}

static unsigned int bad_request; /* number of the request whose reply is changed */
static void (*change)(struct rte_mp_msg *msg);

static void
change_one(struct rte_mp_msg *msg)
{
	if (ipc.requests == bad_request)
		change(msg);
}

static void
make_short(struct rte_mp_msg *msg)
{
	msg->len_param--;
}

static void
make_late(struct rte_mp_msg *msg)
{
	msg->param[offsetof(struct reply, tag)]--;
}

static void
add_descriptor(struct rte_mp_msg *msg)
{
	msg->fds[msg->num_fds++] = dup(file);
}

static void
fail_with_descriptor(struct rte_mp_msg *msg)
{
	const int32_t ret = -ENOSPC;

	add_descriptor(msg);
	memcpy(msg->param + offsetof(struct reply, ret), &ret, sizeof(ret));
}

static void
omit_descriptor(struct rte_mp_msg *msg)
{
	while (msg->num_fds > 0)
		close(msg->fds[--msg->num_fds]);
}

/* The teardown finds each descriptor of these replies closed. */
static void
invalid_replies_are_refused(void **state)
{
	static const struct {
		void (*change)(struct rte_mp_msg *msg);
		unsigned int request;
		int ret;
	} t[] = {
		{ make_short, 1, -EPROTO },
		{ make_short, 2, -EPROTO },
		{ make_late, 1, -EPROTO },
		{ make_late, 2, -EPROTO },
		{ add_descriptor, 1, -EPROTO },
		{ add_descriptor, 2, -EPROTO },
		{ omit_descriptor, 2, -EPROTO },
		{ fail_with_descriptor, 1, -ENOSPC },
		{ fail_with_descriptor, 2, -ENOSPC },
	};
	unsigned int i;

	add_area(0, 0, PAGE, room);
	privs[0].bar_files[0].fd = file;
	ipc.on_reply = change_one;
	for (i = 0; i < RTE_DIM(t); i++) {
		change = t[i].change;
		bad_request = t[i].request;
		assert_int_equal(attach(), t[i].ret);
		assert_int_equal(ipc.requests, t[i].request);
		assert_int_equal(here.bars[0].nr_maps, 0);
		assert_int_equal(count_fds(), fds_before);
	}
	bad_request = 0;
	assert_int_equal(attach(), 0);
}

/* The first request takes a millisecond less than a probe may take; each other one takes one. */
static void
take_time(struct rte_mp_msg *msg)
{
	const uint64_t ms = (uint64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 +
			(ipc.requests == 1 ? VFIO_USER_PROBE_MS - 1 : 1);

	now.tv_sec = ms / 1000;
	now.tv_nsec = ms % 1000 * 1000000;
}

static void
requests_share_one_deadline(void **state)
{
	add_area(0, 0, PAGE, room);
	add_area(0, PAGE, PAGE, room + PAGE);
	privs[0].bar_files[0].fd = file;
	ipc.on_request = take_time;
	assert_int_equal(attach(), -ETIMEDOUT);
	assert_int_equal(ipc.requests, 2);
	assert_int_equal(here.bars[0].nr_maps, 1);
	assert_int_equal(list(), 0);
	assert_int_equal(ipc.requests, 2);
	assert_string_equal(found, "/first /last ");
}

#define ON_DEVICES(name) cmocka_unit_test_setup_teardown(name, devices_new, devices_gone)

int
main(int argc, char **argv)
{
	const struct CMUnitTest alone[] = {
		cmocka_unit_test(without_ipc_there_is_nothing_to_serve),
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_answered_from_the_first_success_on),
		ON_DEVICES(invalid_requests_are_refused),
		ON_DEVICES(descriptor_0_is_sent_and_closed),
		ON_DEVICES(area_without_a_descriptor_is_an_error),
		ON_DEVICES(result_of_the_reply_is_returned),
		ON_DEVICES(devices_of_this_bus_are_listed),
		ON_DEVICES(list_ends_if_a_device_cannot_be_added),
		ON_DEVICES(name_of_a_listed_device_gets_an_end),
		ON_DEVICES(list_that_fails_is_reported_and_empty),
		ON_DEVICES(attached_device_has_ids_and_areas),
		ON_DEVICES(address_in_use_is_left_alone),
		ON_DEVICES(area_that_cannot_be_mapped_is_an_error),
		ON_DEVICES(no_more_areas_are_taken_than_have_room),
		ON_DEVICES(device_that_is_missing_or_taken_is_named),
		ON_DEVICES(name_that_a_request_cannot_hold_is_refused),
		ON_DEVICES(request_that_is_not_sent_returns_the_error),
		ON_DEVICES(invalid_replies_are_refused),
		ON_DEVICES(requests_share_one_deadline),
	};

	alarm(250); /* an assertion that fails in a request leaves its lock held */
	if (argc > 1)
		return cmocka_run_group_tests_name(argv[1], alone, NULL, NULL);
	return cmocka_run_group_tests_name("bus_vfio_user_mp", tests, NULL, NULL);
}
