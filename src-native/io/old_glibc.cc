// What the prebuilt binaries would otherwise ask of a newer glibc than their users have. They are
// built on a newer one, and it gives these names newer versions: 2.32 to 2.35, where RHEL 8 has
// 2.28. What is defined here, hidden, is what the addon and the libstdc++ and libgcc inside it use.
#ifdef DTLS_OLD_GLIBC

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>

#include <cstdint>

#define DTLS_HIDDEN __attribute__((visibility("hidden")))

// The oldest version of a name that glibc has on this architecture.
#ifdef __x86_64__
#define DTLS_OLDEST "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define DTLS_OLDEST "GLIBC_2.17"
#else
#error "the oldest glibc of this architecture is not known here"
#endif

extern "C" {

int oldest_pthread_once(pthread_once_t* control, void (*routine)());
int oldest_pthread_key_create(pthread_key_t* key, void (*destructor)(void*));
__asm__(".symver oldest_pthread_once,pthread_once@" DTLS_OLDEST);
__asm__(".symver oldest_pthread_key_create,__pthread_key_create@" DTLS_OLDEST);

DTLS_HIDDEN int pthread_once(pthread_once_t* control, void (*routine)()) {
  return oldest_pthread_once(control, routine);
}

DTLS_HIDDEN int __pthread_key_create(pthread_key_t* key, void (*destructor)(void*)) {
  return oldest_pthread_key_create(key, destructor);
}

// shared_ptr counts without atomics while this is true: in Node it never is.
DTLS_HIDDEN char __libc_single_threaded = 0;

#ifdef DLFO_STRUCT_HAS_EH_DBASE

namespace {

struct Search {
  uintptr_t address;
  dl_find_object* found;
};

// The module that has the address, and its PT_GNU_EH_FRAME.
int examine(dl_phdr_info* module, size_t /*size*/, void* data) {
  auto& search = *static_cast<Search*>(data);
  const ElfW(Phdr)* frames = nullptr;
  bool is_here = false;
  for (size_t i = 0; i < module->dlpi_phnum; ++i) {
    const ElfW(Phdr)& header = module->dlpi_phdr[i];
    if (header.p_type == PT_GNU_EH_FRAME) frames = &header;
    if (header.p_type != PT_LOAD) continue;
    const uintptr_t start = module->dlpi_addr + header.p_vaddr;
    if (search.address < start || search.address - start >= header.p_memsz) continue;
    is_here = true;
    search.found->dlfo_map_start = reinterpret_cast<void*>(start);
    search.found->dlfo_map_end = reinterpret_cast<void*>(start + header.p_memsz);
  }
  if (!is_here || frames == nullptr) return 0;
  search.found->dlfo_eh_frame = reinterpret_cast<void*>(module->dlpi_addr + frames->p_vaddr);
  return 1;
}

}  // namespace

// libgcc's unwinder, on its way to std::terminate: no exception is caught here.
DTLS_HIDDEN int _dl_find_object(void* address, dl_find_object* found) noexcept {
  *found = {};
  Search search{reinterpret_cast<uintptr_t>(address), found};
  return dl_iterate_phdr(examine, &search) == 1 ? 0 : -1;
}

#endif

}  // extern "C"

#endif
