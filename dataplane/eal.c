// SPDX-License-Identifier: BSD-3-Clause
#define _GNU_SOURCE // fopencookie, memfd_create, sched_getaffinity

#include "dataplane/eal.h"

#include <errno.h>
#include <fcntl.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB		  (1ull << 20)
#define HUGE_PAGE	  (2 * MIB)
#define LOG_LINES_MAX	  50 // after the start, to stderr
#define LOG_CAPTURE_BYTES 2048
#define ARGS_MAX	  (16 + 2 * EAL_DEVICES_MAX)
#define LCORES_BYTES	  2048

// DPDK's log is one a process, and so is this.
static struct {
	bool is_captured;
	_Atomic uint64_t lines; // w: any   r: any
	size_t used;
	char text[LOG_CAPTURE_BYTES];
} eal_log;

// EAL keeps pointers into its arguments, so they live as long as the process; its list it rearranges.
static struct eal_args {
	int count;
	char *texts[ARGS_MAX];
	char *list[ARGS_MAX];
} eal_args;

int eal_fail(struct eal_error *error, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return -code;
}

uint64_t eal_log_lines(void)
{
	return atomic_load_explicit(&eal_log.lines, memory_order_relaxed);
}

// ---- DPDK's own log ---------------------------------------------------------------------------

static ssize_t log_write(void *cookie, const char *text, size_t bytes)
{
	(void)cookie;
	uint64_t lines = atomic_fetch_add_explicit(&eal_log.lines, 1, memory_order_relaxed);

	if (eal_log.is_captured) {
		size_t room = sizeof(eal_log.text) - 1 - eal_log.used;
		size_t take = bytes < room ? bytes : room;

		memcpy(eal_log.text + eal_log.used, text, take);
		eal_log.used += take;
		eal_log.text[eal_log.used] = 0;
	} else if (lines < LOG_LINES_MAX) {
		fprintf(stderr, "dpdk: %.*s", (int)bytes, text);
	}
	return (ssize_t)bytes;
}

static int log_capture(void)
{
	const cookie_io_functions_t functions = {.write = log_write};
	FILE *file = fopencookie(NULL, "w", functions);

	if (file == NULL)
		return -ENOMEM;
	setvbuf(file, NULL, _IOLBF, 0);
	eal_log.is_captured = true;
	eal_log.used = 0;
	rte_log_set_global_level(RTE_LOG_ERR);
	rte_openlog_stream(file);
	return 0;
}

static void log_release(void)
{
	eal_log.is_captured = false;
	atomic_store_explicit(&eal_log.lines, 0, memory_order_relaxed);
}

// What DPDK said, in one line.
static const char *log_text(void)
{
	for (char *at = eal_log.text; *at != 0; at++)
		if (*at == '\n')
			*at = at[1] == 0 ? 0 : ';';
	return eal_log.text;
}

// ---- one process a prefix ---------------------------------------------------------------------

static bool prefix_is_good(const char *prefix)
{
	size_t length = strlen(prefix);

	return length > 0 && length <= 48 && prefix[0] != '.' &&
	       strspn(prefix,
		      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
		       length;
}

// Where EAL keeps its files of this prefix.
static void runtime_path(const char *prefix, char *path, size_t bytes, const char *file)
{
	const char *base = getenv("RUNTIME_DIRECTORY");

	if (base == NULL)
		base = geteuid() == 0 ? "/var/run" : getenv("XDG_RUNTIME_DIR");
	if (base == NULL)
		base = "/tmp";
	snprintf(path, bytes, "%s/dpdk/%s%s", base, prefix, file);
}

static int runtime_make(const char *prefix, char *path, size_t bytes)
{
	runtime_path(prefix, path, bytes, "");

	char *last = strrchr(path, '/');

	// The parent first.
	*last = 0;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	*last = '/';
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

static int prefix_lock(struct eal *eal, const char *prefix, struct eal_error *error)
{
	char path[256], pid[32] = "";
	int code = runtime_make(prefix, path, sizeof(path));

	if (code < 0)
		return eal_fail(error, -code,
				"cannot make the runtime directory %s: %s; start as root or set "
				"RUNTIME_DIRECTORY to a directory of yours",
				path, strerror(-code));
	runtime_path(prefix, path, sizeof(path), "/godwit.lock");
	eal->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (eal->lock < 0)
		return eal_fail(error, errno, "cannot open %s: %s; start as its owner or as root",
				path, strerror(errno));
	if (flock(eal->lock, LOCK_EX | LOCK_NB) < 0) {
		if (read(eal->lock, pid, sizeof(pid) - 1) <= 0)
			snprintf(pid, sizeof(pid), "?");
		close(eal->lock);
		eal->lock = -1;
		return eal_fail(error, EBUSY,
				"the prefix \"%s\" is in use by process %s: give each server of a "
				"machine a prefix of its own (eal.prefix)",
				prefix, pid);
	}
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	if (ftruncate(eal->lock, 0) < 0 || pwrite(eal->lock, pid, strlen(pid), 0) < 0)
		return eal_fail(error, errno, "cannot write %s: %s", path, strerror(errno));
	return 0;
}

static void prefix_unlock(struct eal *eal)
{
	if (eal->lock >= 0)
		close(eal->lock);
	eal->lock = -1;
}

// ---- memory -----------------------------------------------------------------------------------

// Are there hugepages for so many bytes? A mapping reserves them or fails at once.
static int huge_try(uint64_t bytes)
{
	int file = memfd_create("godwit-try", MFD_HUGETLB | MFD_CLOEXEC);
	int code = 0;

	if (file < 0)
		return -errno;
	if (ftruncate(file, (off_t)bytes) < 0) {
		code = -errno;
	} else {
		void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);

		if (memory == MAP_FAILED)
			code = -errno;
		else
			munmap(memory, bytes);
	}
	close(file);
	return code;
}

static int pages_choose(struct eal *eal, const struct eal_config *config, uint64_t bytes,
			struct eal_error *error)
{
	int code;

	if (config->pages == EAL_PAGES_ORDINARY)
		return 0;
	code = huge_try(bytes);
	if (code == 0) {
		eal->is_huge = true;
		return 0;
	}

	const char *format =
		"no hugepages for %llu MiB (%s): reserve %llu more of 2 MiB (sysctl vm.nr_hugepages)";

	if (config->pages == EAL_PAGES_HUGE)
		return eal_fail(error, ENOMEM, format, (unsigned long long)(bytes / MIB),
				strerror(-code), (unsigned long long)(bytes / HUGE_PAGE));

	struct eal_error note;

	eal_fail(&note, 0, format, (unsigned long long)(bytes / MIB), strerror(-code),
		 (unsigned long long)(bytes / HUGE_PAGE));
	snprintf(eal->note, sizeof(eal->note), "ordinary memory is used: %.400s", note.text);
	return 0;
}

// ---- arguments --------------------------------------------------------------------------------

static void __attribute__((format(printf, 2, 3)))
arg_add(struct eal_args *args, const char *format, ...)
{
	char text[LCORES_BYTES];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	if (args->count < ARGS_MAX - 1)
		args->texts[args->count++] = strdup(text);
}

// "4@(0-1,3),0@0,1@1": main, with the highest number, on all CPUs that we may use.
static int lcores_write(const struct eal_config *config, char *text, size_t bytes,
			struct eal_error *error)
{
	cpu_set_t allowed;
	size_t used = (size_t)snprintf(text, bytes, "%u@(", config->cpu_count);
	bool is_first = true;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return eal_fail(error, EIO, "sched_getaffinity: %s", strerror(errno));
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		int last = cpu;

		if (!CPU_ISSET(cpu, &allowed))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, &allowed))
			last++;
		if (used < bytes)
			used += (size_t)snprintf(text + used, bytes - used, "%s%d-%d",
						 is_first ? "" : ",", cpu, last);
		is_first = false;
		cpu = last;
	}
	if (used < bytes)
		used += (size_t)snprintf(text + used, bytes - used, ")");
	for (uint32_t i = 0; i < config->cpu_count; i++) {
		if (config->cpus[i] >= CPU_SETSIZE || !CPU_ISSET(config->cpus[i], &allowed))
			return eal_fail(
				error, EINVAL,
				"CPU %u is not there, or not for us: choose others (cores.cpus; "
				"`taskset -p $$` shows which)",
				config->cpus[i]);
		if (used < bytes)
			used += (size_t)snprintf(text + used, bytes - used, ",%u@%u", i,
						 config->cpus[i]);
	}
	return used < bytes ? 0 : eal_fail(error, EINVAL, "too many CPUs for one list");
}

static int args_build(const struct eal *eal, const struct eal_config *config, uint64_t bytes,
		      struct eal_args *args, struct eal_error *error)
{
	char lcores[LCORES_BYTES];
	int code = lcores_write(config, lcores, sizeof(lcores), error);

	if (code < 0)
		return code;
	*args = (struct eal_args){0};
	arg_add(args, "godwitd");
	arg_add(args, "--lcores=%s", lcores);
	arg_add(args, "--main-lcore=%u", config->cpu_count);
	arg_add(args, "--file-prefix=%s", config->prefix);
	arg_add(args, "-m");
	arg_add(args, "%llu", (unsigned long long)(bytes / MIB));
	if (eal->is_huge) {
		arg_add(args, "--in-memory");
	} else {
		// The two forms that leave nothing behind; one cannot have both.
		arg_add(args, "--no-huge");
		arg_add(args, "--no-shconf");
	}
	if (config->no_telemetry)
		arg_add(args, "--no-telemetry");
	// Without a list EAL takes whatever PCI device it can.
	if (config->pci_count == 0)
		arg_add(args, "--no-pci");
	for (uint32_t i = 0; i < config->pci_count; i++) {
		arg_add(args, "-a");
		arg_add(args, "%s", config->pcis[i]);
	}
	for (uint32_t i = 0; i < config->vdev_count; i++)
		arg_add(args, "--vdev=%s", config->vdevs[i]);
	for (int i = 0; i < args->count; i++) {
		if (args->texts[i] == NULL)
			return eal_fail(error, ENOMEM, "no memory");
		args->list[i] = args->texts[i];
	}
	return 0;
}

// What to do about a start that failed, from what DPDK said about it.
static int start_explain(int code, struct eal_error *error)
{
	const char *text = log_text();

	// A name that no driver knows, or one whose driver did not like what it found.
	if (strstr(text, "failed to parse device") != NULL ||
	    strstr(text, "failed to initialize") != NULL)
		return eal_fail(error, ENODEV,
				"a port's DPDK driver is missing or refused: install the drivers "
				"(Debian: librte-net-* or dpdk), see what it said: %.300s",
				text);
	if (strstr(text, "Cannot get hugepage") != NULL || strstr(text, "emory") != NULL)
		return eal_fail(error, ENOMEM,
				"no memory for DPDK: raise eal.memory or vm.nr_hugepages: %.300s",
				text);
	if (code == EACCES || code == EPERM || strstr(text, "ermission") != NULL)
		return eal_fail(
			error, EPERM,
			"no permission: start as root, or with CAP_NET_RAW, CAP_NET_ADMIN and "
			"CAP_IPC_LOCK: %.300s",
			text);
	return eal_fail(error, EIO, "DPDK does not start (%s): %.300s", rte_strerror(code),
			text[0] == 0 ? "it gave no reason" : text);
}

int eal_start(struct eal *eal, const struct eal_config *config, struct eal_error *error)
{
	uint64_t bytes = (config->memory_bytes + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
	int code;

	*eal = (struct eal){.lock = -1};
	if (!prefix_is_good(config->prefix))
		return eal_fail(
			error, EINVAL,
			"the prefix \"%.64s\" is not 1 to 48 letters, digits, '.', '_' or '-'",
			config->prefix);
	if (config->cpu_count == 0 || config->cpu_count > EAL_CPUS_MAX ||
	    config->vdev_count > EAL_DEVICES_MAX || config->pci_count > EAL_DEVICES_MAX ||
	    bytes == 0)
		return eal_fail(error, EINVAL, "1 to %d workers, at most %d devices, some memory",
				EAL_CPUS_MAX, EAL_DEVICES_MAX);
	code = pages_choose(eal, config, bytes, error);
	if (code == 0)
		code = prefix_lock(eal, config->prefix, error);
	if (code == 0)
		code = args_build(eal, config, bytes, &eal_args, error);
	if (code == 0 && log_capture() < 0)
		code = eal_fail(error, ENOMEM, "no memory");
	if (code == 0 && rte_eal_init(eal_args.count, eal_args.list) < 0)
		code = start_explain(rte_errno, error);
	log_release();
	if (code < 0)
		prefix_unlock(eal);
	return code;
}

void eal_stop(struct eal *eal)
{
	rte_eal_cleanup();
	prefix_unlock(eal);
}
