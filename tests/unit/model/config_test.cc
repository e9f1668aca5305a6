#include "model/config.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>

#include "model/option_name.h"

namespace noex {
namespace {

ClusterConfig minimal() {
  ClusterConfig config;
  config.node_name = "app1";
  return config;
}

using Change = std::function<void(ClusterConfig&)>;

ValidConfig accepted(const Change& change, std::string_view environment = "") {
  ClusterConfig config = minimal();
  change(config);
  Result<ValidConfig> valid = validate(config, environment);
  EXPECT_TRUE(valid.ok()) << valid.error().message;
  return valid.ok() ? *valid : ValidConfig();
}

// The message of the refusal.
std::string refused(const Change& change, std::string_view environment = "") {
  ClusterConfig config = minimal();
  change(config);
  const Result<ValidConfig> valid = validate(config, environment);
  if (valid.ok()) return "accepted";
  EXPECT_EQ(valid.error().code, ErrorCode::InvalidConfig);
  return valid.error().message;
}

void expect_mentions(const std::string& message, std::initializer_list<const char*> words) {
  for (const char* word : words)
    EXPECT_NE(message.find(word), std::string::npos) << "'" << word << "' is not in: " << message;
}

bool warns(const ValidConfig& config, const char* word) {
  for (const std::string& warning : config.warnings) {
    if (warning.find(word) != std::string::npos) return true;
  }
  return false;
}

TEST(Config, Defaults) {
  const ValidConfig valid = accepted([](ClusterConfig&) {});
  EXPECT_EQ(valid.node_name, "app1");
  EXPECT_EQ(valid.host, "0.0.0.0");
  EXPECT_EQ(valid.advertise_host, "");
  EXPECT_EQ(valid.port, 4369);
  EXPECT_TRUE(valid.seeds.empty());
  EXPECT_EQ(valid.cluster_secret, "");
  EXPECT_EQ(valid.cluster_name, "");
  EXPECT_EQ(valid.heartbeat_interval, Duration::seconds(5));
  EXPECT_EQ(valid.heartbeat_miss_threshold, 3);
  EXPECT_EQ(valid.reconnect_base_delay, Duration::seconds(1));
  EXPECT_EQ(valid.reconnect_max_delay, Duration::seconds(30));
  EXPECT_EQ(valid.forget_after, Duration::seconds(24 * 3600));
}

TEST(Config, NodeName) {
  for (const char* name : {"a", "Z9_-", "app1", "a-very-long-name-of-sixty-four-characters-which-is-just-the-limit"}) {
    EXPECT_EQ(accepted([&](ClusterConfig& c) { c.node_name = std::string(name).substr(0, 64); }).node_name,
              std::string(name).substr(0, 64));
  }
  expect_mentions(refused([](ClusterConfig& c) { c.node_name = ""; }), {"node_name is required", "'app1'"});
  for (const std::string& name : {std::string("123invalid"), std::string("_a"), std::string("a b"), std::string("a.b"),
                                  std::string("\xc3\xa9"), std::string(65, 'a'), std::string("a\0", 2)}) {
    expect_mentions(refused([&](ClusterConfig& c) { c.node_name = name; }),
                    {"invalid node_name '", "start with a letter"});
  }
  expect_mentions(refused([](ClusterConfig& c) { c.node_name = "app1@127.0.0.1"; }),
                  {"'app1@127.0.0.1'", "the name alone"});
}

TEST(Config, MessagesSpellOptionsAsTheCallerDoes) {
  const auto camel = [](const Change& change) {
    return refused([&](ClusterConfig& c) {
      c.key_style = KeyStyle::Camel;
      change(c);
    });
  };
  expect_mentions(camel([](ClusterConfig& c) { c.node_name = ""; }), {"nodeName is required"});
  expect_mentions(camel([](ClusterConfig& c) { c.heartbeat_interval_ms = 5; }), {"invalid heartbeatIntervalMs '5'"});
  expect_mentions(camel([](ClusterConfig& c) { c.cluster_secret = ""; }), {"clusterSecret is empty"});
  expect_mentions(camel([](ClusterConfig& c) { c.reconnect_max_delay_ms = 1; }),
                  {"reconnectBaseDelayMs", "reconnectMaxDelayMs"});
}

TEST(Config, Host) {
  const std::pair<const char*, const char*> good[] = {
      {"127.0.0.1", "127.0.0.1"}, {"::", "::"},          {"[::1]", "::1"},
      {"localhost", "localhost"}, {"::1", "::1"},        {"db.example", "db.example"},
      {"0:0:0:0:0:0:0:0", "::"},  {"0.0.0.0", "0.0.0.0"}};
  for (const auto& [host, expected] : good) {
    EXPECT_EQ(accepted([&, given = host](ClusterConfig& c) { c.host = given; }).host, expected);
  }
  for (const char* host : {"", " ", "127.0.0.1:4369", "256.0.0.1", "a b", "http://x", "[::1]:1", "1.2.3", "a_b"}) {
    expect_mentions(refused([&](ClusterConfig& c) { c.host = host; }), {"invalid host '", host, "without a port"});
  }
}

TEST(Config, AdvertiseHost) {
  const auto advertised = [](const char* host, std::optional<std::string> option, std::string_view environment) {
    return accepted(
               [&](ClusterConfig& c) {
                 c.host = host;
                 c.advertise_host = std::move(option);
               },
               environment)
        .advertise_host;
  };
  EXPECT_EQ(advertised("0.0.0.0", std::nullopt, ""), "");
  EXPECT_EQ(advertised("::", std::nullopt, ""), "");
  EXPECT_EQ(advertised("10.0.0.5", std::nullopt, ""), "10.0.0.5");
  EXPECT_EQ(advertised("localhost", std::nullopt, ""), "localhost");
  EXPECT_EQ(advertised("10.0.0.5", "db.example", ""), "db.example");
  EXPECT_EQ(advertised("0.0.0.0", std::nullopt, "127.0.0.1"), "127.0.0.1");
  EXPECT_EQ(advertised("10.0.0.5", std::nullopt, "127.0.0.1"), "127.0.0.1");
  EXPECT_EQ(advertised("0.0.0.0", "10.0.0.9", "127.0.0.1"), "10.0.0.9");
  EXPECT_EQ(advertised("0.0.0.0", "[2001:DB8::1]", ""), "2001:db8::1");
  for (const char* host : {"", "0.0.0.0", "::", "[::]", "10.0.0.5:4369", "a b", "::ffff:0.0.0.0"}) {
    expect_mentions(refused([&](ClusterConfig& c) { c.advertise_host = host; }), {"invalid advertise_host '"});
    if (*host != '\0') expect_mentions(refused([](ClusterConfig&) {}, host), {"invalid NOEX_ADVERTISE_HOST '", host});
  }
  expect_mentions(refused([](ClusterConfig& c) { c.advertise_host = "0.0.0.0"; }), {"wildcard"});
}

TEST(Config, Port) {
  for (const int64_t port : {int64_t{1}, int64_t{4369}, int64_t{65535}}) {
    EXPECT_EQ(accepted([&](ClusterConfig& c) { c.port = port; }).port, port);
  }
  for (const int64_t port : {int64_t{0}, int64_t{-1}, int64_t{65536}, int64_t{99999}, INT64_MIN, INT64_MAX}) {
    expect_mentions(refused([&](ClusterConfig& c) { c.port = port; }),
                    {"invalid port '", std::to_string(port).c_str(), "1 to 65535", "auto"});
  }
  EXPECT_EQ(accepted([](ClusterConfig& c) {
              c.port_auto = true;
              c.port = 0;
            }).port,
            0);
}

TEST(Config, NumbersKeepTheirBounds) {
  struct Case {
    int64_t ClusterConfig::*field;
    const char* name;
    int64_t min, max;
  };
  const Case cases[] = {
      {&ClusterConfig::heartbeat_interval_ms, "heartbeat_interval_ms", 100, INT32_MAX},
      {&ClusterConfig::heartbeat_miss_threshold, "heartbeat_miss_threshold", 1, 1000},
      {&ClusterConfig::reconnect_base_delay_ms, "reconnect_base_delay_ms", 1, INT32_MAX},
      {&ClusterConfig::reconnect_max_delay_ms, "reconnect_max_delay_ms", 1, INT32_MAX},
      {&ClusterConfig::forget_after_ms, "forget_after_ms", 1, 100LL * 365 * 24 * 3600 * 1000},
  };
  for (const Case& c : cases) {
    for (const int64_t good : {c.min, c.max}) {
      (void)accepted([&](ClusterConfig& config) {
        config.reconnect_base_delay_ms = 1;  // so that the two delays do not meet each other's bound
        config.reconnect_max_delay_ms = INT32_MAX;
        config.*c.field = good;
      });
    }
    for (const int64_t bad : {c.min - 1, c.max + 1, int64_t{0}, int64_t{-1}, INT64_MIN, INT64_MAX}) {
      const std::string message = refused([&](ClusterConfig& config) { config.*c.field = bad; });
      expect_mentions(message, {"invalid", c.name, std::to_string(bad).c_str(), std::to_string(c.min).c_str(),
                                std::to_string(c.max).c_str()});
    }
  }
}

TEST(Config, TheLargestTimesDoNotOverflow) {
  const ValidConfig valid = accepted([](ClusterConfig& c) {
    c.heartbeat_interval_ms = INT32_MAX;
    c.heartbeat_miss_threshold = 1000;
    c.forget_after_ms = 100LL * 365 * 24 * 3600 * 1000;
  });
  EXPECT_GT(valid.heartbeat_interval * valid.heartbeat_miss_threshold, valid.heartbeat_interval);
  EXPECT_GT(valid.forget_after * 2, valid.forget_after);
  EXPECT_EQ(valid.forget_after.ms(), 100LL * 365 * 24 * 3600 * 1000);
}

TEST(Config, TheBaseDelayIsNotAboveTheMaximum) {
  const auto delays = [](int64_t base, int64_t max) {
    return [=](ClusterConfig& c) {
      c.reconnect_base_delay_ms = base;
      c.reconnect_max_delay_ms = max;
    };
  };
  EXPECT_EQ(accepted(delays(500, 500)).reconnect_base_delay, Duration::milliseconds(500));
  expect_mentions(refused(delays(501, 500)),
                  {"invalid reconnect_base_delay_ms '501'", "reconnect_max_delay_ms", "500"});
}

TEST(Config, ClusterSecret) {
  EXPECT_EQ(accepted([](ClusterConfig& c) { c.cluster_secret = "s"; }).cluster_secret, "s");
  const std::string bytes("\0\xff", 2);
  EXPECT_EQ(accepted([&](ClusterConfig& c) { c.cluster_secret = bytes; }).cluster_secret, bytes);
  EXPECT_EQ(accepted([](ClusterConfig& c) { c.cluster_secret = std::nullopt; }).cluster_secret, "");
  expect_mentions(refused([](ClusterConfig& c) { c.cluster_secret = ""; }),
                  {"cluster_secret is empty", "an unset variable"});
}

TEST(Config, NoMessageShowsTheSecret) {
  const std::string message = refused([](ClusterConfig& c) {
    c.cluster_secret = "hunter2";
    c.port = 0;
    c.seeds = {"x"};
  });
  EXPECT_EQ(message.find("hunter2"), std::string::npos);
}

TEST(Config, ClusterName) {
  for (const std::string& name : {std::string(), std::string("blue"), std::string(255, 'n'), std::string("\xc3\xa9")}) {
    EXPECT_EQ(accepted([&](ClusterConfig& c) { c.cluster_name = name; }).cluster_name, name);
  }
  expect_mentions(refused([](ClusterConfig& c) { c.cluster_name = std::string(256, 'n'); }),
                  {"invalid cluster_name", "256 bytes", "255"});
  expect_mentions(refused([](ClusterConfig& c) { c.cluster_name = "a\xff"; }),
                  {"invalid cluster_name 'a\\xff'", "UTF-8"});
}

TEST(Config, AnOpenListenerWithoutASecretIsWarnedOf) {
  const auto with = [](const char* host, bool secret) {
    return accepted([=](ClusterConfig& c) {
      c.host = host;
      if (secret) c.cluster_secret = "s";
    });
  };
  for (const char* host : {"0.0.0.0", "::", "10.0.0.1", "db.example", "2001:db8::1"}) {
    EXPECT_TRUE(warns(with(host, false), "without a secret")) << host;
    EXPECT_TRUE(with(host, true).warnings.empty()) << host;
  }
  for (const char* host : {"127.0.0.1", "127.1.2.3", "::1", "localhost"})
    EXPECT_TRUE(with(host, false).warnings.empty()) << host;
}

TEST(Config, SeedsAreTrimmedAndDoublesDropped) {
  const ValidConfig valid = accepted([](ClusterConfig& c) {
    c.seeds = {"  seed1@192.168.1.10:4369\n",
               "seed1@192.168.1.10:4369",
               "db.internal:4369",
               "db.internal:4370",
               "db.internal:4369",
               "a@[::1]:1",
               "a@::1:1"};
  });
  ASSERT_EQ(valid.seeds.size(), 4u);
  EXPECT_EQ(valid.seeds[0].id->text(), "seed1@192.168.1.10:4369");
  EXPECT_EQ(valid.seeds[0].text, "seed1@192.168.1.10:4369");
  EXPECT_FALSE(valid.seeds[1].id);
  EXPECT_EQ(valid.seeds[1].host, "db.internal");
  EXPECT_EQ(valid.seeds[2].port, 4370);
  EXPECT_EQ(valid.seeds[3].host, "::1");
  EXPECT_FALSE(warns(valid, "seeds"));
}

TEST(Config, EmptySeedsAreIgnoredWithAWarning) {
  for (const std::vector<std::string>& seeds : {std::vector<std::string>{""}, {" \t\n"}, {"", "a@h:1", " "}}) {
    const ValidConfig valid = accepted([&](ClusterConfig& c) { c.seeds = seeds; });
    EXPECT_EQ(valid.seeds.size(), seeds.size() == 3 ? 1u : 0u);
    EXPECT_TRUE(warns(valid, "seeds"));
  }
}

TEST(Config, OneBadSeedRefusesTheWhole) {
  EXPECT_EQ(refused([](ClusterConfig& c) {
              c.seeds = {"a@h:1", "192.168.1.10:4369"};
            }),
            "invalid seed '192.168.1.10:4369': an IP address needs a node name, as in 'name@192.168.1.10:4369'");
}

TEST(Seed, Forms) {
  struct Case {
    const char* text;
    const char* id;  // "" = nameless
    const char* host;
    uint16_t port;
  };
  const Case cases[] = {
      {"seed1@192.168.1.10:4369", "seed1@192.168.1.10:4369", "192.168.1.10", 4369},
      {"seed1@localhost:4369", "seed1@localhost:4369", "localhost", 4369},
      {"s@[::1]:1", "s@[::1]:1", "::1", 1},
      {"s@::1:1", "s@[::1]:1", "::1", 1},
      {"db.internal:4369", "", "db.internal", 4369},
      {"localhost:65535", "", "localhost", 65535},
  };
  for (const Case& c : cases) {
    const Result<Seed> seed = parse_seed(c.text);
    ASSERT_TRUE(seed.ok()) << seed.error().message;
    EXPECT_EQ(seed->id ? seed->id->text() : "", c.id);
    EXPECT_EQ(seed->host, c.host);
    EXPECT_EQ(seed->port, c.port);
    EXPECT_EQ(seed->text, c.text);
  }
}

TEST(Seed, RefusalsSayWhatIsMeant) {
  const std::pair<const char*, const char*> cases[] = {
      {"192.168.1.10:4369", "an IP address needs a node name, as in 'name@192.168.1.10:4369'"},
      {"[::1]:4369", "an IP address needs a node name, as in 'name@[::1]:4369'"},
      {"192.168.1.10", "an IP address needs a node name and a port, as in 'name@192.168.1.10:4369'"},
      {"::1", "an IP address needs a node name and a port, as in 'name@[::1]:4369'"},
      {"[::1]", "an IP address needs a node name and a port, as in 'name@[::1]:4369'"},
      {"seed1@192.168.1.10", "there is no port, as in 'seed1@192.168.1.10:4369'"},
      {"seed1@seed-host", "there is no port, as in 'seed1@seed-host:4369'"},
      {"seed1@[::1]", "there is no port, as in 'seed1@[::1]:4369'"},
      {"db.internal", "there is no port, as in 'db.internal:4369'"},
      {"seed1:192.168.1.10:4369", "the name and the host are separated by '@', as in 'seed1@192.168.1.10:4369'"},
      {"seed1:db.internal:4369", "the name and the host are separated by '@', as in 'seed1@db.internal:4369'"},
      {"db.internal:0", "the port must be a whole number from 1 to 65535, as in 'db.internal:4369'"},
      {"db.internal:65536", "the port must be a whole number from 1 to 65535, as in 'db.internal:4369'"},
      {"db.internal:port", "the port must be a whole number from 1 to 65535, as in 'db.internal:4369'"},
      {"db.internal:", "the port must be a whole number from 1 to 65535, as in 'db.internal:4369'"},
      {"seed1@h:0", "the port must be a whole number from 1 to 65535"},
      {"1seed@h:1", "the name must start with a letter"},
      {"s@-h:1", "the host must be"},
      {"s@:1", "the host must be"},
      {"a@h:1,b@h:2", "several seeds in one text"},
      {"a@h:1 b@h:2", "several seeds in one text"},
      {"http://db.internal:4369", "expected 'name@host:port'"},
      {":4369", "expected 'name@host:port'"},
      {"?", "expected 'name@host:port'"},
      {"@", "there is no port"},
  };
  for (const auto& [text, reason] : cases) {
    const Result<Seed> seed = parse_seed(text);
    ASSERT_FALSE(seed.ok()) << text;
    EXPECT_EQ(seed.error().code, ErrorCode::InvalidConfig);
    EXPECT_EQ(seed.error().message.rfind("invalid seed '" + std::string(text) + "': ", 0), 0u) << seed.error().message;
    expect_mentions(seed.error().message, {reason});
  }
}

TEST(OptionName, TheKnownOnesInTheirSpelling) {
  const std::pair<const char*, const char*> names[] = {
      {"node_name", "nodeName"},
      {"host", "host"},
      {"advertise_host", "advertiseHost"},
      {"port", "port"},
      {"seeds", "seeds"},
      {"cluster_secret", "clusterSecret"},
      {"cluster_name", "clusterName"},
      {"heartbeat_interval_ms", "heartbeatIntervalMs"},
      {"heartbeat_miss_threshold", "heartbeatMissThreshold"},
      {"reconnect_base_delay_ms", "reconnectBaseDelayMs"},
      {"reconnect_max_delay_ms", "reconnectMaxDelayMs"},
      {"forget_after_ms", "forgetAfterMs"},
      {"control_socket", "controlSocket"},
  };
  ASSERT_EQ(std::size(names), static_cast<size_t>(Option::Count));
  for (const auto& [snake, camel] : names) {
    EXPECT_TRUE(check_option_name(snake, KeyStyle::Snake).ok()) << snake;
    EXPECT_TRUE(check_option_name(camel, KeyStyle::Camel).ok()) << camel;
    if (std::string_view(snake) == camel) continue;
    EXPECT_EQ(check_option_name(camel, KeyStyle::Snake).error().message,
              "unknown option '" + std::string(camel) + "': did you mean '" + snake + "'?");
    EXPECT_EQ(check_option_name(snake, KeyStyle::Camel).error().message,
              "unknown option '" + std::string(snake) + "': did you mean '" + camel + "'?");
  }
}

TEST(OptionName, TheNearestIsSuggested) {
  const std::pair<const char*, const char*> cases[] = {
      {"prot", "port"},
      {"Port", "port"},
      {"hots", "host"},
      {"seed", "seeds"},
      {"seedz", "seeds"},
      {"nodename", "nodeName"},
      {"node-name", "nodeName"},
      {"name", "nodeName"},
      {"secret", "clusterSecret"},
      {"clusterSecert", "clusterSecret"},
      {"heartbeatInterval", "heartbeatIntervalMs"},
      {"heartBeatIntervalMs", "heartbeatIntervalMs"},
      {"heartbeatMissTreshold", "heartbeatMissThreshold"},
      {"advertisedHost", "advertiseHost"},
      {"reconnectMaxDelay", "reconnectMaxDelayMs"},
      {"reconnectBaseMs", "reconnectBaseDelayMs"},
      {"forgetAfter", "forgetAfterMs"},
  };
  for (const auto& [given, meant] : cases) {
    const Status status = check_option_name(given, KeyStyle::Camel);
    ASSERT_FALSE(status.ok()) << given;
    EXPECT_EQ(status.error().code, ErrorCode::InvalidConfig);
    EXPECT_EQ(status.error().message, "unknown option '" + std::string(given) + "': did you mean '" + meant + "'?");
  }
}

TEST(OptionName, WithoutANearOneAllAreListed) {
  for (const std::string& given :
       {std::string("x"), std::string(), std::string("logLevel"), std::string(100'000, 'q'), std::string("\n")}) {
    const Status status = check_option_name(given, KeyStyle::Snake);
    ASSERT_FALSE(status.ok());
    expect_mentions(status.error().message, {"unknown option '", "the options are node_name, host", "forget_after_ms"});
    EXPECT_LT(status.error().message.size(), 500u);
  }
}

}  // namespace
}  // namespace noex
