/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/protobuf.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <google/protobuf/compiler/parser.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

extern "C" {
#include "codec/base64.h"
#include "codec/utf8.h"
}

namespace pb = google::protobuf;

#define INDEXES_MAX 64 /* how deep a message may be declared within others */
#define OWN_NAME "the schema"

struct protobuf {
    pb::DescriptorPool pool;
    mutable pb::DynamicMessageFactory factory; /* locks itself */
    const pb::FileDescriptor *file = nullptr;
    const pb::Descriptor *type = nullptr; /* of all values; NULL: each says which it is */

    protobuf() : pool(pb::DescriptorPool::generated_pool()), factory(&pool)
    {
    }
};

namespace
{

/* ---- the text ------------------------------------------------------------------------------------- */

/* Keeps the first thing that is wrong. */
class Faults final : public pb::io::ErrorCollector, public pb::DescriptorPool::ErrorCollector
{
  public:
    std::string first;

    void AddError(int line, pb::io::ColumnNumber column, const std::string &message) override
    {
        Keep(std::to_string(line + 1) + ":" + std::to_string(column + 1) + ": " + message);
    }

    void AddError(const std::string &, const std::string &element, const pb::Message *, ErrorLocation, const std::string &message) override
    {
        Keep(element + ": " + message);
    }

  private:
    void Keep(const std::string &text)
    {
        if (first.empty())
            first = text;
    }
};

/* Confluent's clients for Python and .NET register the descriptor, in base64, and some registries give it back so. No .proto
 * is of nothing but letters and digits. */
bool read_descriptor(struct bytes text, pb::FileDescriptorProto *file)
{
    size_t size = 0;

    if (!base64_is_valid(text, &size))
        return false;
    std::vector<unsigned char> data(size + 1);
    base64_decode(text, data.data());
    return file->ParseFromArray(data.data(), (int)size);
}

bool read_text(struct bytes text, pb::FileDescriptorProto *file, Faults *faults)
{
    pb::io::ArrayInputStream input(text.data, (int)text.size);
    pb::io::Tokenizer tokenizer(&input, faults);
    pb::compiler::Parser parser;

    parser.RecordErrorsTo(faults);
    return parser.Parse(&tokenizer, file);
}

const pb::FileDescriptor *add_file(struct protobuf *protobuf, const struct protobuf_source &source, Faults *faults)
{
    pb::FileDescriptorProto file, described;

    if (read_descriptor(source.text, &described))
        file = described;
    else if (!read_text(source.text, &file, faults))
        return nullptr;
    file.set_name(source.name != nullptr ? source.name : OWN_NAME);
    return protobuf->pool.BuildFileCollectingErrors(file, faults);
}

/* ---- values --------------------------------------------------------------------------------------- */

/* One value on its way to msgpack. */
class Writer
{
  public:
    explicit Writer(msgpack_sbuffer *buffer) : buffer_(buffer), start_(buffer->size)
    {
        msgpack_packer_init(&packer_, buffer, msgpack_sbuffer_write);
    }

    bool is_too_much() const
    {
        return buffer_->size - start_ > PROTOBUF_OUTPUT_MAX;
    }

    bool is_utf8() const
    {
        return is_utf8_;
    }

    void message(const pb::Message &message);

  private:
    void field(const pb::Message &message, const pb::FieldDescriptor *field);
    void one(const pb::Message &message, const pb::FieldDescriptor *field, int index);
    void items(const pb::Message &message, const pb::FieldDescriptor *field);
    void entries(const pb::Message &message, const pb::FieldDescriptor *field);
    bool well_known(const pb::Message &message);
    bool wrapped(const pb::Message &message);
    void any_value(const pb::Message &message);
    void timestamp(const pb::Message &message);
    void duration(const pb::Message &message);
    void enumeration(const pb::FieldDescriptor *field, int number);
    void text(const std::string &text);
    void number(double number);

    msgpack_sbuffer *buffer_;
    size_t start_;
    msgpack_packer packer_;
    bool is_utf8_ = true; /* all texts */
};

void Writer::text(const std::string &text)
{
    is_utf8_ = is_utf8_ && utf8_is_valid(text.data(), text.size());
    msgpack_pack_str(&packer_, text.size());
    msgpack_pack_str_body(&packer_, text.data(), text.size());
}

void Writer::number(double number)
{
    msgpack_pack_double(&packer_, number);
}

int64_t int_of(const pb::Message &message, const char *name)
{
    const pb::FieldDescriptor *field = message.GetDescriptor()->FindFieldByName(name);
    const pb::Reflection *reflection = message.GetReflection();

    if (field == nullptr || field->is_repeated())
        return 0;
    if (field->cpp_type() == pb::FieldDescriptor::CPPTYPE_INT64)
        return reflection->GetInt64(message, field);
    return field->cpp_type() == pb::FieldDescriptor::CPPTYPE_INT32 ? reflection->GetInt32(message, field) : 0;
}

/* In UTC, as exact as it is; one that ISO text can't say as the two numbers. */
void Writer::timestamp(const pb::Message &message)
{
    int64_t seconds = int_of(message, "seconds");
    int64_t nanoseconds = int_of(message, "nanos");
    char written[PROTOBUF_TIME_SIZE];

    if (nanoseconds < 0 || nanoseconds > 999999999 || protobuf_time_text(seconds, (uint32_t)nanoseconds, written) != 0)
        (void)snprintf(written, sizeof(written), "%lld.%09lld", (long long)seconds, (long long)nanoseconds);
    text(written);
}

/* `90s`, `1.500s`: as Protobuf's own JSON has it, and CEL's duration() reads. */
void Writer::duration(const pb::Message &message)
{
    int64_t seconds = int_of(message, "seconds");
    int64_t nanoseconds = int_of(message, "nanos");
    char written[48];
    const char *sign = seconds < 0 || nanoseconds < 0 ? "-" : "";

    if (nanoseconds == 0)
        (void)snprintf(written, sizeof(written), "%llds", (long long)seconds);
    else
        (void)snprintf(written, sizeof(written), "%s%llu.%09llus", sign,
                       seconds < 0 ? 0 - (unsigned long long)seconds : (unsigned long long)seconds,
                       nanoseconds < 0 ? 0 - (unsigned long long)nanoseconds : (unsigned long long)nanoseconds);
    text(written);
}

/* StringValue and the others: the value that they are about. */
bool Writer::wrapped(const pb::Message &message)
{
    const pb::Descriptor *type = message.GetDescriptor();
    const pb::FieldDescriptor *value = type->field_count() == 1 ? type->field(0) : nullptr;

    if (value == nullptr || value->name() != "value" || value->is_repeated())
        return false;
    one(message, value, -1);
    return true;
}

/* google.protobuf.Value: whichever of its kinds is set. */
void Writer::any_value(const pb::Message &message)
{
    std::vector<const pb::FieldDescriptor *> set;

    message.GetReflection()->ListFields(message, &set);
    if (set.empty() || set[0]->name() == "null_value")
        msgpack_pack_nil(&packer_);
    else
        one(message, set[0], -1);
}

/* Whether it was one of those that have a form of their own. */
bool Writer::well_known(const pb::Message &message)
{
    static const std::string package = "google.protobuf.";
    static const char *const wrappers[] = { "DoubleValue", "FloatValue", "Int64Value",  "UInt64Value", "Int32Value",
                                            "UInt32Value", "BoolValue",  "StringValue", "BytesValue" };
    const pb::Descriptor *type = message.GetDescriptor();
    const std::string &name = type->name();

    if (type->full_name().compare(0, package.size(), package) != 0)
        return false;
    if (name == "Timestamp" || name == "Duration") {
        name == "Timestamp" ? timestamp(message) : duration(message);
        return true;
    }
    if (name == "Value") {
        any_value(message);
        return true;
    }
    if ((name == "Struct" || name == "ListValue") && type->field_count() == 1) {
        field(message, type->field(0));
        return true;
    }
    bool is_wrapper = std::any_of(std::begin(wrappers), std::end(wrappers), [&name](const char *one) { return name == one; });
    return is_wrapper && wrapped(message);
}

/* One that the schema has no name for is its number. */
void Writer::enumeration(const pb::FieldDescriptor *field, int number)
{
    const pb::EnumValueDescriptor *value = field->enum_type()->FindValueByNumber(number);

    if (value != nullptr)
        text(value->name());
    else
        msgpack_pack_int32(&packer_, number);
}

/* `index` -1: the field is not repeated. */
void Writer::one(const pb::Message &message, const pb::FieldDescriptor *field, int index)
{
    const pb::Reflection *reflection = message.GetReflection();
    std::string scratch;

#define GET(TYPE) (index < 0 ? reflection->Get##TYPE(message, field) : reflection->GetRepeated##TYPE(message, field, index))
    switch (field->cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_INT32:
        msgpack_pack_int32(&packer_, GET(Int32));
        break;
    case pb::FieldDescriptor::CPPTYPE_INT64:
        msgpack_pack_int64(&packer_, GET(Int64));
        break;
    case pb::FieldDescriptor::CPPTYPE_UINT32:
        msgpack_pack_uint32(&packer_, GET(UInt32));
        break;
    case pb::FieldDescriptor::CPPTYPE_UINT64:
        msgpack_pack_uint64(&packer_, GET(UInt64));
        break;
    case pb::FieldDescriptor::CPPTYPE_DOUBLE:
        number(GET(Double));
        break;
    case pb::FieldDescriptor::CPPTYPE_FLOAT:
        number((double)GET(Float));
        break;
    case pb::FieldDescriptor::CPPTYPE_BOOL:
        GET(Bool) ? msgpack_pack_true(&packer_) : msgpack_pack_false(&packer_);
        break;
    case pb::FieldDescriptor::CPPTYPE_ENUM:
        enumeration(field, GET(EnumValue));
        break;
    case pb::FieldDescriptor::CPPTYPE_MESSAGE:
        this->message(GET(Message));
        break;
    case pb::FieldDescriptor::CPPTYPE_STRING: {
        const std::string &bytes = index < 0 ? reflection->GetStringReference(message, field, &scratch)
                                             : reflection->GetRepeatedStringReference(message, field, index, &scratch);
        if (field->type() == pb::FieldDescriptor::TYPE_STRING) {
            text(bytes);
        } else {
            msgpack_pack_bin(&packer_, bytes.size());
            msgpack_pack_bin_body(&packer_, bytes.data(), bytes.size());
        }
        break;
    }
    }
#undef GET
}

void Writer::items(const pb::Message &message, const pb::FieldDescriptor *field)
{
    int count = message.GetReflection()->FieldSize(message, field);

    msgpack_pack_array(&packer_, (size_t)count);
    for (int i = 0; i < count; i++) {
        if (is_too_much())
            msgpack_pack_nil(&packer_);
        else
            one(message, field, i);
    }
}

/* A map's keys are texts, whatever their type is. */
std::string key_text(const pb::Message &entry, const pb::FieldDescriptor *key)
{
    const pb::Reflection *reflection = entry.GetReflection();

    switch (key->cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_STRING:
        return reflection->GetString(entry, key);
    case pb::FieldDescriptor::CPPTYPE_BOOL:
        return reflection->GetBool(entry, key) ? "true" : "false";
    case pb::FieldDescriptor::CPPTYPE_INT32:
        return std::to_string(reflection->GetInt32(entry, key));
    case pb::FieldDescriptor::CPPTYPE_INT64:
        return std::to_string(reflection->GetInt64(entry, key));
    case pb::FieldDescriptor::CPPTYPE_UINT32:
        return std::to_string(reflection->GetUInt32(entry, key));
    default:
        return std::to_string(reflection->GetUInt64(entry, key));
    }
}

/* Keys in order: libprotobuf's own order differs from process to process. */
void Writer::entries(const pb::Message &message, const pb::FieldDescriptor *field)
{
    const pb::Reflection *reflection = message.GetReflection();
    const pb::FieldDescriptor *key = field->message_type()->map_key(), *value = field->message_type()->map_value();
    std::vector<std::pair<std::string, int>> keys;

    for (int i = 0; i < reflection->FieldSize(message, field); i++)
        keys.emplace_back(key_text(reflection->GetRepeatedMessage(message, field, i), key), i);
    std::sort(keys.begin(), keys.end());
    msgpack_pack_map(&packer_, keys.size());
    for (const auto &[name, index] : keys) {
        text(name);
        if (is_too_much())
            msgpack_pack_nil(&packer_);
        else
            one(reflection->GetRepeatedMessage(message, field, index), value, -1);
    }
}

void Writer::field(const pb::Message &message, const pb::FieldDescriptor *field)
{
    if (field->is_map())
        entries(message, field);
    else if (field->is_repeated())
        items(message, field);
    else
        one(message, field, -1);
}

/* A field that knows whether it was set is there only then; all others always are. */
bool is_there(const pb::Message &message, const pb::FieldDescriptor *field)
{
    return field->is_repeated() || !field->has_presence() || message.GetReflection()->HasField(message, field);
}

void Writer::message(const pb::Message &message)
{
    const pb::Descriptor *type = message.GetDescriptor();
    size_t count = 0;

    if (well_known(message))
        return;
    for (int i = 0; i < type->field_count(); i++)
        count += is_there(message, type->field(i));
    msgpack_pack_map(&packer_, count);
    for (int i = 0; i < type->field_count(); i++) {
        if (!is_there(message, type->field(i)))
            continue;
        text(type->field(i)->name());
        if (is_too_much())
            msgpack_pack_nil(&packer_);
        else
            field(message, type->field(i));
    }
}

/* ---- which message ---------------------------------------------------------------------------------- */

/* What a value begins with: Confluent's indexes, in zigzag varints. */
class Indexes
{
  public:
    explicit Indexes(struct bytes data) : at_((const unsigned char *)data.data), end_(at_ + data.size)
    {
    }

    /* NULL: they name none. */
    const pb::Descriptor *read(const pb::FileDescriptor *file)
    {
        int64_t count = next(), index = count == 0 ? 0 : next();
        const pb::Descriptor *type = index >= 0 && index < file->message_type_count() ? file->message_type((int)index) : nullptr;

        if (is_broken_ || count < 0 || count > INDEXES_MAX)
            return nullptr;
        for (int64_t i = 1; type != nullptr && i < count; i++) {
            index = next();
            type = !is_broken_ && index >= 0 && index < type->nested_type_count() ? type->nested_type((int)index) : nullptr;
        }
        return is_broken_ ? nullptr : type;
    }

    struct bytes rest() const
    {
        return { at_, (size_t)(end_ - at_) };
    }

  private:
    int64_t next()
    {
        uint64_t value = 0;

        for (int shift = 0; at_ < end_ && shift < 64; shift += 7) {
            unsigned char byte = *at_++;
            value |= (uint64_t)(byte & 0x7f) << shift;
            if (byte < 0x80)
                return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
        }
        is_broken_ = true;
        return 0;
    }

    const unsigned char *at_, *end_;
    bool is_broken_ = false;
};

} // namespace

/* What it says of a value is said by us. Later versions say nothing by themselves. */
static void silence_libprotobuf()
{
#if GOOGLE_PROTOBUF_VERSION < 4022000
    pb::SetLogHandler(nullptr);
#endif
}

namespace
{

const char no_message[] = "it names no message of its schema: is it framed as Confluent's serializers do?";

int add_files(struct protobuf *protobuf, const struct protobuf_source *sources, size_t count, struct error *ret_error)
{
    Faults faults;

    for (size_t i = 0; i < count; i++) {
        if (sources[i].name != nullptr && protobuf->pool.FindFileByName(sources[i].name) != nullptr)
            continue; /* two import it */
        protobuf->file = add_file(protobuf, sources[i], &faults);
        if (protobuf->file == nullptr)
            return error_set(ret_error, EBADMSG, "%s is no Protobuf that can be read: %s",
                             sources[i].name != nullptr ? sources[i].name : OWN_NAME, faults.first.c_str());
    }
    return 0;
}

/* By indexes that are all of `bytes`. */
int find_type(struct protobuf *protobuf, struct bytes bytes, struct error *ret_error)
{
    Indexes indexes(bytes);

    protobuf->type = indexes.read(protobuf->file);
    return protobuf->type != nullptr && indexes.rest().size == 0 ? 0 : error_set(ret_error, EBADMSG, "%s", no_message);
}

} // namespace

extern "C" int protobuf_create(const struct protobuf_source *sources, size_t count, struct bytes indexes, struct protobuf **ret_protobuf,
                               struct error *ret_error)
{
    std::unique_ptr<struct protobuf> protobuf(new struct protobuf());

    silence_libprotobuf();
    int result = add_files(protobuf.get(), sources, count, ret_error);
    if (result == 0 && indexes.size > 0)
        result = find_type(protobuf.get(), indexes, ret_error);
    if (result < 0)
        return result;
    *ret_protobuf = protobuf.release();
    return 0;
}

extern "C" void protobuf_destroy(struct protobuf *protobuf)
{
    delete protobuf;
}

extern "C" int protobuf_to_msgpack(const struct protobuf *protobuf, struct bytes data, msgpack_sbuffer *buffer, struct error *ret_error)
{
    Indexes indexes(data);
    const pb::Descriptor *type = protobuf->type != nullptr ? protobuf->type : indexes.read(protobuf->file);
    struct bytes rest = protobuf->type != nullptr ? data : indexes.rest();
    Writer writer(buffer);

    if (type == nullptr)
        return error_set(ret_error, EBADMSG, "%s", no_message);
    std::unique_ptr<pb::Message> message(protobuf->factory.GetPrototype(type)->New());
    if (rest.size > INT32_MAX || !message->ParsePartialFromArray(rest.data, (int)rest.size))
        return error_set(ret_error, EBADMSG, "it is no %s of its schema", type->full_name().c_str());
    writer.message(*message);
    if (!writer.is_utf8())
        return error_set(ret_error, EBADMSG, "a text in it is not UTF-8");
    if (writer.is_too_much())
        return error_set(ret_error, EBADMSG, "more than %zu MiB would become of it", PROTOBUF_OUTPUT_MAX >> 20);
    return 0;
}
