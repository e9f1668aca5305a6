// Texts about a node. They are written on the calling thread, from what the I/O thread has gathered.
#include "cluster/documents.h"

#include <cstdlib>
#include <cstring>
#include <new>
#include <string>

#include "handle.h"

using noex::NodeStats;
using noex::Result;
using noex::Status;

namespace {

Result<std::string> write_document(const NodeStats& stats, int32_t document) {
  switch (document) {
    case NOEX_DOCUMENT_STATUS:
      return noex::status_document(stats);
    case NOEX_DOCUMENT_MEMBERS:
      return noex::members_document(stats);
    case NOEX_DOCUMENT_METRICS:
      return noex::metrics_document(stats);
    default:
      return noex::capi::invalid_argument("document is " + std::to_string(document) +
                                          ": it must be one of NOEX_DOCUMENT_*");
  }
}

}  // namespace

extern "C" {

noex_status noex_cluster_document(const noex_cluster* cluster, int32_t document, char** out_text) {
  return noex::capi::guard([&]() -> Status {
    if (Status status = noex::capi::require(out_text, "out_text"); !status) return status;
    *out_text = nullptr;
    if (Status status = noex::capi::check_handle(cluster); !status) return status;
    if (document < NOEX_DOCUMENT_STATUS || document > NOEX_DOCUMENT_METRICS) {
      return write_document({}, document).error();
    }
    const Result<NodeStats> stats = cluster->node->stats();
    if (!stats) return stats.error();
    const Result<std::string> text = write_document(*stats, document);
    if (!text) return text.error();
    *out_text = static_cast<char*>(std::malloc(text->size() + 1));
    if (*out_text == nullptr) throw std::bad_alloc();
    std::memcpy(*out_text, text->c_str(), text->size() + 1);
    return {};
  });
}

void noex_text_free(char* text) { std::free(text); }

}  // extern "C"
