/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "output_file.h"

/* Two files for each port, flows, the statistics, and the three that the shell has opened. */
#define FILES_MAX (2 * PORT_MAX + 5)

struct file {
	char who[PORT_NAME_MAX + 8]; /* "port a", or the name of another user of the file */
	const char *does;
	const char *path;
	bool written, is_std;
	bool created; /* by this check */
	dev_t dev;
	ino_t ino;
};

struct files {
	const struct port *ports;
	unsigned int nr_ports, nr;
	const char *control; /* or NULL */
	struct file file[FILES_MAX];
};

/* Note a file to be read. Return its entry, which the caller may complete. */
static struct file *
note(struct files *files, const char *who, const char *does, const char *path,
		const struct stat *st)
{
	struct file *f = &files->file[files->nr++];

	snprintf(f->who, sizeof(f->who), "%s", who);
	f->does = does;
	f->path = path;
	f->dev = st->st_dev;
	f->ino = st->st_ino;
	return f;
}

/* Note a file to be read. If it does not exist, the code that opens it reports the error. */
static void
add_input(struct files *files, const char *who, const char *does, const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
		note(files, who, does, path, &st);
}

/* Return the name of a file in its folder, and the folder's status. The file may not exist yet. */
static const char *
place(const char *path, struct stat *folder)
{
	const char *slash = strrchr(path, '/');
	char *copy = slash != NULL ? strndup(path, slash + 1 - path) : strdup(".");

	if (copy == NULL || stat(copy, folder) != 0)
		memset(folder, 0, sizeof(*folder));
	free(copy);
	return slash != NULL ? slash + 1 : path;
}

/* Return whether two paths name one file. Neither of them need exist. */
static bool
same_place(const char *a, const char *b)
{
	struct stat folder_a, folder_b;
	const char *name_a = place(a, &folder_a), *name_b = place(b, &folder_b);

	return strcmp(name_a, name_b) == 0 && folder_a.st_ino != 0 &&
			folder_a.st_dev == folder_b.st_dev && folder_a.st_ino == folder_b.st_ino;
}

/* Compare an output with the sockets, which are created after this check, by its place. */
static int
compare_sockets(const struct files *files, const char *who, const char *does, const char *path,
		char *err)
{
	char *real = realpath(path, NULL);
	unsigned int i;
	int ret = 0;

	for (i = 0; i < files->nr_ports && ret == 0; i++) {
		const struct port_spec *spec = &files->ports[i].spec;

		if (!same_place(spec->socket, real != NULL ? real : path))
			continue;
		snprintf(err, SPEC_ERR_LEN,
				"%s %s %.60s, and port %s has its socket %.60s: the same file: "
				"name another file for the output",
				who, does, path, spec->name, spec->socket);
		ret = -EINVAL;
	}
	if (ret == 0 && files->control != NULL &&
			same_place(files->control, real != NULL ? real : path)) {
		snprintf(err, SPEC_ERR_LEN,
				"%s %s %.60s, and --control has its socket %.60s: the same file: "
				"name another file for the output",
				who, does, path, files->control);
		ret = -EINVAL;
	}
	free(real);
	return ret;
}

/* Compare the sockets by their place; port_specs_check() compared only text. */
static int
compare_ports(const struct port *ports, unsigned int nr, const char *control, char *err)
{
	unsigned int i, j;

	for (i = 0; i < nr && control != NULL; i++) {
		if (!same_place(ports[i].spec.socket, control))
			continue;
		snprintf(err, SPEC_ERR_LEN,
				"port %s and --control have the same socket %.60s: each needs its "
				"own",
				ports[i].spec.name, control);
		return -EINVAL;
	}

	for (i = 0; i < nr; i++) {
		for (j = i + 1; j < nr; j++) {
			const struct port_spec *a = &ports[i].spec, *b = &ports[j].spec;

			if (!same_place(a->socket, b->socket))
				continue;
			snprintf(err, SPEC_ERR_LEN,
					"ports %s and %s have the same socket %.60s: each needs "
					"its own",
					a->name, b->name, b->socket);
			return -EINVAL;
		}
	}
	return 0;
}

static int
add_output(struct files *files, const char *who, const char *does, const char *path,
		bool must_be_file, char *err)
{
	struct file *f;
	struct stat st;
	bool created;
	int fd = strcmp(path, "-") == 0 ? -EINVAL : output_file_probe(path, &st, &created);

	if (fd >= 0) {
		close(fd);
		if (S_ISREG(st.st_mode)) {
			f = note(files, who, does, path, &st);
			f->written = true;
			f->created = created;
		} else if (must_be_file) {
			fd = -EINVAL;
		}
	}
	if (compare_sockets(files, who, does, path, err) != 0)
		return -EINVAL;
	if (fd >= 0)
		return 0;
	snprintf(err, SPEC_ERR_LEN, "%s %s %.120s: cannot be written: %s", who, does, path,
			fd == -EINVAL ? "not a regular file" : output_file_strerror(path, fd));
	return -EIO;
}

static void
add_std(struct files *files, const char *who, int fd)
{
	struct file *f;
	struct stat st;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return;
	f = note(files, who, "is", "that file", &st);
	f->written = fd != STDIN_FILENO;
	f->is_std = true;
}

static int
compare(const struct files *files, char *err)
{
	const struct file *a, *b;
	unsigned int i, j;

	for (i = 0; i < files->nr; i++) {
		for (j = i + 1; j < files->nr; j++) {
			a = &files->file[i];
			b = &files->file[j];
			if (a->dev != b->dev || a->ino != b->ino || !(a->written || b->written) ||
					(a->is_std && b->is_std))
				continue;
			snprintf(err, SPEC_ERR_LEN,
					"%s %s %.60s, and %s %s %.60s: the same file: name another "
					"file for the output",
					a->who, a->does, a->path, b->who, b->does, b->path);
			return -EINVAL;
		}
	}
	return 0;
}

int
files_check(const struct port *ports, unsigned int nr, const char *control, const char *traffic,
		const char *stats_json, char *err)
{
	struct files files = { .ports = ports, .nr_ports = nr, .control = control };
	char who[PORT_NAME_MAX + 8];
	unsigned int i;
	int ret = compare_ports(ports, nr, control, err);

	for (i = 0; i < nr && ret == 0; i++) {
		const struct port_spec *spec = &ports[i].spec;

		snprintf(who, sizeof(who), "port %s", spec->name);
		if (spec->pcap_out != NULL)
			ret = add_output(&files, who, "records to", spec->pcap_out, true, err);
	}
	if (stats_json != NULL && ret == 0)
		ret = add_output(&files, "--stats-json", "writes to", stats_json, false, err);
	/* Last, because overlayfs may give a file another inode when it is opened for writing. */
	for (i = 0; i < nr; i++) {
		snprintf(who, sizeof(who), "port %s", ports[i].spec.name);
		if (ports[i].spec.pcap_in != NULL)
			add_input(&files, who, "replays", ports[i].spec.pcap_in);
	}
	if (traffic != NULL)
		add_input(&files, "--traffic", "reads", traffic);
	add_std(&files, "standard input", STDIN_FILENO);
	add_std(&files, "standard output", STDOUT_FILENO);
	add_std(&files, "standard error", STDERR_FILENO);
	if (ret == 0)
		ret = compare(&files, err);
	for (i = 0; i < files.nr; i++)
		if (files.file[i].created)
			output_file_remove(files.file[i].path);
	return ret;
}
