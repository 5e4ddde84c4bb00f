"""Start the plugin; the engine runs this through `bin/pulumi-resource-aws`."""

from local.standins.aws.provider import AwsPlugin
from plugin.server import serve

serve(AwsPlugin())
