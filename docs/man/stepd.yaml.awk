# SPDX-License-Identifier: Apache-2.0
# awk -f stepd.yaml.awk CONFIG PAGE.in: PAGE.in with what CONFIG, the commented default config, says: its head for
# @HEAD@, each of its keys for @KEYS@. So a key is described once, there.

# As running text of a page: each sentence on a line of its own.
function escaped(text,    lines) {
    gsub(/\\/, "\\e", text)
    while (match(text, /[.!?] +[A-Z]/)) {
        lines = lines substr(text, 1, RSTART) "\n"
        text = substr(text, RSTART + RLENGTH - 1)
    }
    text = lines text
    return text ~ /^[.']/ ? "\\&" text : text
}

# As words of a macro. One that is a punctuation mark alone would close up to the word before it.
function word(text,    words, count, i) {
    gsub(/\\/, "\\e", text)
    gsub(/"/, "\\(dq", text)
    count = split(text, words, / /)
    text = ""
    for (i = 1; i <= count; i++)
        text = text (i > 1 ? " " : "") (words[i] ~ /^[][.,:;()?!|]$/ ? "\\&" : "") words[i]
    return text
}

function add(text) {
    keys = keys text "\n"
}

# The path of a key at that indentation; an example's name becomes what it stands for.
function path_of(indent, name,    level, path, i) {
    level = indent / 2
    if (level == 1 && names[0] == "functions")
        name = "FUNCTION"
    if (level == 1 && names[0] == "programs")
        name = "PROGRAM"
    if (level == 1 && names[0] == "options")
        name = "MODULE"
    names[level] = name
    path = names[0]
    for (i = 1; i <= level; i++)
        path = path "." names[i]
    return path
}

function take_key(indent, line, is_comment,    name, value, note, at, path) {
    name = line
    sub(/:.*/, "", name)
    value = substr(line, length(name) + 2)
    at = match(value, / +# /)
    if (at > 0) {
        note = substr(value, at + RLENGTH)
        value = substr(value, 1, at - 1)
    }
    sub(/^ +/, "", value)
    path = path_of(indent, name)
    if (seen[path]++ || path == "functions.FUNCTION" || path == "programs.PROGRAM") {
        text = ""
        return
    }
    if (value == "" || value == "{}" || value == "[]")
        add(".It Sy " path)
    else if (!is_comment)
        add(".It Sy " path ": " word(value))
    else
        add(".It Sy " path)
    if (text != "")
        add(escaped(text))
    if (note != "")
        add(escaped(note (note ~ /[.!]$/ ? "" : ".")))
    if (is_comment && value != "") {
        add("Not set by default; for example")
        add(".Ql " word(value) " .")
    }
    text = ""
}

FNR == 1 { file++ }

file == 1 && !has_head {
    if ($0 == "") {
        has_head = 1
    } else {
        sub(/^# ?/, "")
        head = head ($0 == "" ? ".Pp" : escaped($0)) "\n"
    }
    next
}

file == 1 {
    match($0, /^ */)
    indent = RLENGTH
    line = substr($0, indent + 1)
    is_comment = line ~ /^#/
    if (is_comment) {
        sub(/^# ?/, "", line)
        match(line, /^ */)
        indent += RLENGTH
        line = substr(line, RLENGTH + 1)
    }
    if (line ~ /^[a-z][a-z_.-]*:( |$)/)
        take_key(indent, line, is_comment)
    else if (is_comment)
        text = text (text == "" ? "" : "\n") line
    next
}

/^@HEAD@$/ {
    printf "%s", head
    next
}

/^@KEYS@$/ {
    printf "%s", keys
    next
}

{ print }
