// cpp-httplib, of which only the parser and the writer are used, in one source file. Its thread pool never runs, but it
// is compiled: std::condition_variable::wait of today's compilers is a symbol that older systems' libstdc++ lacks,
// while wait_for is not.
#pragma once

// All that it includes of the standard library and that knows the word `wait`.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <functional>
#include <iomanip>
#include <iostream>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <thread>

#define wait(lock, predicate) wait_for(lock, std::chrono::hours(1), predicate)
// Its sockets are not used either, nor is select(), which ends at 1,024 descriptors.
#define CPPHTTPLIB_USE_POLL
#include <httplib.h>
#undef wait
