/* The names of the D-Bus interface org.scanoutd.Scanout1(5), for C programs. */
#ifndef SCANOUT_DBUS_NAMES_H
#define SCANOUT_DBUS_NAMES_H

#define SCANOUT_BUS_NAME "org.scanoutd.Scanout1"
#define SCANOUT_BUS_PATH "/org/scanoutd/Scanout1"
#define SCANOUT_MANAGER_INTERFACE SCANOUT_BUS_NAME ".Manager"
#define SCANOUT_SCANOUT_INTERFACE SCANOUT_BUS_NAME ".Scanout"
/* On the agents' socket alone. */
#define SCANOUT_AGENT_INTERFACE SCANOUT_BUS_NAME ".Agent"

#define SCANOUT_ERROR SCANOUT_BUS_NAME ".Error."
#define SCANOUT_ERROR_NO_FREE SCANOUT_ERROR "NoFreeScanout"
#define SCANOUT_ERROR_NO_SUCH SCANOUT_ERROR "NoSuchScanout"
#define SCANOUT_ERROR_BUSY SCANOUT_ERROR "ScanoutBusy"
#define SCANOUT_ERROR_NOT_HOLDER SCANOUT_ERROR "NotHolder"
#define SCANOUT_ERROR_NOT_ALLOWED SCANOUT_ERROR "NotAllowed"
#define SCANOUT_ERROR_QUOTA SCANOUT_ERROR "QuotaExceeded"
#define SCANOUT_ERROR_INVALID_OPTION SCANOUT_ERROR "InvalidOption"
#define SCANOUT_ERROR_TIMEOUT SCANOUT_ERROR "Timeout"
#define SCANOUT_ERROR_DEVICE_GONE SCANOUT_ERROR "DeviceGone"
#define SCANOUT_ERROR_DEVICE_BUSY SCANOUT_ERROR "DeviceBusy"

#endif
