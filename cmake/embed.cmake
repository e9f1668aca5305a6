# cmake -DINPUT=page.html -DOUTPUT=page.cc -P embed.cmake: what http_page() of cli/http_page.h returns. A line `@name@`
# of the page is replaced by the file of that name beside it.

get_filename_component(folder "${INPUT}" DIRECTORY)
file(READ "${INPUT}" text)
string(REGEX MATCHALL "\n@[a-z]+\\.[a-z]+@" places "${text}")
foreach(place IN LISTS places)
  string(REGEX REPLACE "^\n@(.*)@$" "\\1" name "${place}")
  file(READ "${folder}/${name}" part)
  string(STRIP "${part}" part)
  string(REPLACE "${place}" "\n${part}" text "${text}")
endforeach()
string(HEX "${text}" bytes)
string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
file(WRITE "${OUTPUT}" "#include \"http_page.h\"

namespace noex_cli {
namespace {

constexpr unsigned char kBytes[] = {
${bytes}
};

}  // namespace

std::string_view http_page() { return {reinterpret_cast<const char*>(kBytes), sizeof kBytes}; }

}  // namespace noex_cli
")
