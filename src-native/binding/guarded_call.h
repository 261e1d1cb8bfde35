#ifndef DGRAM_DTLS_BINDING_GUARDED_CALL_H_
#define DGRAM_DTLS_BINDING_GUARDED_CALL_H_

#include <napi.h>

#include <vector>

namespace dtls::binding {

// Calls a function that ours or a user's code may hide behind. Null when it threw, which Node then
// reports, or when the environment is being ended: nothing of node-addon-api is used that would end
// the process for it.
napi_value call_guarded(Napi::Env env, const Napi::FunctionReference& function,
                        const std::vector<napi_value>& arguments);

}  // namespace dtls::binding

#endif  // DGRAM_DTLS_BINDING_GUARDED_CALL_H_
