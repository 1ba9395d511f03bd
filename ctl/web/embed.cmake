# cmake -D FOLDER=... -D OUTPUT=... -P embed.cmake: page_files.cpp, with the files of the folder in it.
set(out "#include \"ctl/web/page_files.h\"\n\nnamespace stox::ctl::web {\n\nstatic constexpr PageFile kFiles[] = {\n")
file(GLOB files ${FOLDER}/*)
foreach(file ${files})
  get_filename_component(name ${file} NAME)
  file(READ ${file} content)
  string(APPEND out "    {\"${name}\", R\"page_file(${content})page_file\"},\n")
endforeach()
file(WRITE ${OUTPUT} "${out}};\n\nstd::span<const PageFile> page_files() { return kFiles; }\n\n}  // namespace stox::ctl::web\n")
